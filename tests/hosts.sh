# Hosts on one wire, for tests/*.sh: each is a network namespace with one interface on a common
# bridge. Sourced by a process that has a network namespace of its own and a program in $filbert;
# all goes with that process. Needs root, ip(8) and nsenter(1).
# shellcheck shell=bash

home=$(mktemp -d)
ground=private
# What the user of this script has set shall not count.
unset "${!FILBERT_@}"

declare -A host=() daemon=()

finish() {
    local pid
    for pid in "${daemon[@]}" "${host[@]}"; do
        kill "$pid" 2>/dev/null || true
    done
    wait
    rm -rf "$home"
}
trap finish EXIT

fail() {
    echo "FAILED: $*"
    for log in "$home"/*.log; do
        echo "-- $(basename "$log")"
        tail -n 20 "$log"
    done
    exit 1
}

# A new wire with hosts of the numbers given; the old one goes.
wire() {
    local number pid
    for pid in "${daemon[@]}"; do
        kill "$pid"
        wait "$pid" || true
    done
    # A namespace ends some time after its last process, and would keep its cables until then.
    for number in "${!host[@]}"; do
        ip link delete "to$number"
        kill "${host[$number]}"
        wait "${host[$number]}" 2>/dev/null || true
    done
    host=() daemon=()
    ip link delete wire 2>/dev/null || true
    rm -rf "${home:?}"/*
    ip link add name wire type bridge
    ip link set wire up
    for number in "$@"; do
        unshare --net sleep infinity &
        pid=$!
        host[$number]=$pid
        until [ "$(readlink "/proc/$pid/ns/net")" != "$(readlink /proc/self/ns/net)" ]; do
            sleep 0.01
        done
        ip link add name "to$number" type veth peer name eth0 netns "$pid"
        ip link set "to$number" master wire up
        on "$number" ip link set lo up
        on "$number" ip address add "$(address "$number")/8" dev eth0
        on "$number" ip link set eth0 up
        mkdir -p "$home/share$number"
        # As many bytes as make several reads.
        head -c 300000 /dev/urandom >"$home/share$number/cargo $(word "$number").bin"
    done
}

# Where a host is: `ground` is private or public.
address() {
    case $ground in
    private) echo "10.77.0.$1" ;;
    public) echo "44.77.$1.1" ;;
    esac
}

# A word that only the file of one host has.
word() {
    local words=(zero acorn beech cedar damson)
    echo "${words[$1]}"
}

# Runs a command on a host.
on() {
    local number=$1
    shift
    nsenter --target "${host[$number]}" --net "$@"
}

# Speaks to the daemon of a host.
ask() {
    local number=$1
    shift
    on "$number" "$filbert" --quiet --home "$home/home$number" "$@"
}

# Starts the daemon of a host.
start() {
    local number=$1
    shift
    # Not by `on`: the process to end later is the daemon itself.
    nsenter --target "${host[$number]}" --net "$filbert" --home "$home/home$number" -vv run \
        --share "$home/share$number" "$@" 2>"$home/host$number.log" &
    daemon[$number]=$!
}

# Waits until the daemons of hosts listen, at most 30 seconds.
listening() {
    local number
    for number in "$@"; do
        for _ in {1..300}; do
            ! grep -q "listening on" "$home/host$number.log" || continue 2
            sleep 0.1
        done
        fail "host $number does not listen"
    done
}

# Waits until every host has a neighbour, at most 10 seconds since the time given.
connected() {
    local begun=$1 number
    shift
    for number in "$@"; do
        until ask "$number" status --json 2>/dev/null | grep -q '"connected":true'; do
            ((${EPOCHREALTIME/./} - begun < 10000000)) ||
                fail "host $number is not connected after 10 s"
            sleep 0.1
        done
    done
    echo "$# hosts connected after $(((${EPOCHREALTIME/./} - begun) / 1000)) ms"
}

# A host searches for the file of another and fetches it.
fetches() {
    local from=$1 to=$2 number path
    path="cargo $(word "$to").bin"
    # The file is hashed in the background, and a leaf's words travel then.
    for _ in {1..20}; do
        number=$(ask "$from" search --timeout 2 --limit 1 --jsonl "$(word "$to")" |
            sed -n 's/.*"number":\([0-9]*\).*/\1/p' | head -n 1) || true
        [ -z "$number" ] || break
    done
    [ -n "$number" ] || fail "host $from does not find the file of host $to"
    ask "$from" get "$number" --wait --output "$home/got$from" >/dev/null ||
        fail "host $from does not get the file of host $to"
    cmp "$home/share$to/$path" "$home/got$from/$path" ||
        fail "host $from got other bytes from host $to"
}

# Every host fetches the file of every other.
exchange() {
    local from to
    for from in "$@"; do
        for to in "$@"; do
            [ "$from" = "$to" ] || fetches "$from" "$to"
        done
    done
    echo "$(($# * ($# - 1))) directions searched and fetched"
}
