#!/usr/bin/env bash
# Hosts on one wire that find each other with no address given, and networks that do not mix.
#
#   tests/lan.sh PROGRAM
#
# Each host is a network namespace with one interface on a common bridge. All of it lives in a
# namespace of its own and goes with this process. Needs root, ip(8), unshare(1) and nsenter(1).
set -euo pipefail

if [ "${1:-}" != --inside ]; then
    exec unshare --net "${BASH_SOURCE[0]}" --inside "$(realpath "$1")"
fi
filbert=$2
home=$(mktemp -d)
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
        on "$number" ip address add "10.77.0.$number/24" dev eth0
        on "$number" ip link set eth0 up
        mkdir -p "$home/share$number"
        # As many bytes as make several reads.
        head -c 300000 /dev/urandom >"$home/share$number/cargo $(word "$number").bin"
    done
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
    nsenter --target "${host[$number]}" --net "$filbert" --home "$home/home$number" -vv run --lan \
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

# Every host fetches the file of every other.
exchange() {
    local from to number path
    for from in "$@"; do
        for to in "$@"; do
            [ "$from" != "$to" ] || continue
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
        done
    done
    echo "$(($# * ($# - 1))) directions searched and fetched"
}

# Neither its search nor a dial crosses from one network into another.
apart() {
    local from=$1 to=$2 code=0
    ask "$from" search --timeout 3 "$(word "$to")" >/dev/null || code=$?
    [ "$code" = 3 ] || fail "host $from finds the file of host $to in another network ($code)"
    if ask "$from" connect "10.77.0.$to:6346" 2>"$home/connect.log"; then
        fail "host $from is let into the network of host $to"
    fi
    grep -q "refused: 403" "$home/connect.log" ||
        fail "host $from is not told why host $to refuses it"
    if ask "$from" peers --json | grep -q "10.77.0.$to:"; then
        fail "host $from has a neighbour in the network of host $to"
    fi
}

echo "== three hosts, no address given"
wire 1 2 3
begun=${EPOCHREALTIME/./}
for number in 1 2 3; do
    start "$number"
done
connected "$begun" 1 2 3
exchange 1 2 3

echo "== two hosts, no address given"
wire 1 2
begun=${EPOCHREALTIME/./}
start 1
start 2
connected "$begun" 1 2
exchange 1 2

echo "== two networks on one wire, one of them with a secret"
wire 1 2 3 4
echo "a secret that only two hosts know" >"$home/secret"
start 1 --network red
start 2 --network red
start 3 --network blue --network-secret-file "$home/secret"
start 4 --network blue --network-secret-file "$home/secret"
# To make a key of the secret takes its time on purpose, the more so for a build without optimisation.
listening 1 2 3 4
begun=${EPOCHREALTIME/./}
connected "$begun" 1 2 3 4
exchange 1 2
exchange 3 4
apart 1 3
apart 3 1
apart 2 4
apart 4 2
echo "networks stayed apart"
