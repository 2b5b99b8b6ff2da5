#!/usr/bin/env bash
# Files of a host that nobody can connect to: it is asked to connect by its push proxy and along the
# way its hit came.
#
#   tests/firewalled.sh PROGRAM
#
# Needs root, ip(8), nft(8), unshare(1) and nsenter(1).
set -euo pipefail

if [ "${1:-}" != --inside ]; then
    exec unshare --net "${BASH_SOURCE[0]}" --inside "$(realpath "$1")"
fi
filbert=$2
# shellcheck source=tests/hosts.sh
source "$(dirname "${BASH_SOURCE[0]}")/hosts.sh"

# Lets nothing in to a host but answers to what it asked.
shut() {
    on "$1" nft -f - <<'RULES'
table inet wall {
    chain in {
        type filter hook input priority 0; policy drop;
        iif lo accept
        ct state established,related accept
    }
}
RULES
}

# A host reads the list of another that its search has found.
browses() {
    local from=$1 to=$2
    ask "$from" browse "$(address "$to"):6346" | grep -q "cargo $(word "$to").bin" ||
        fail "host $from does not see the list of host $to"
}

# Nobody gets a connection to a host.
closed() {
    if on "$1" timeout 1 bash -c "exec 3<>/dev/tcp/$(address "$2")/6346" 2>/dev/null; then
        fail "host $2 lets host $1 in"
    fi
}

for ground in public private; do
    # Once it knows, and once nobody does: then who cannot connect asks it to.
    case $ground in
    public) known=(--firewalled) network=() ;;
    private) known=() network=(--network yard) ;;
    esac
    echo "== a sharer behind a wall, on $ground ground" "${known[@]}"
    wire 1 2 3 4
    shut 2
    start 1 --mode ultrapeer "${network[@]}"
    listening 1
    start 2 --mode leaf "${known[@]}" --peer "$(address 1):6346" "${network[@]}"
    start 3 --mode ultrapeer --peer "$(address 1):6346" "${network[@]}"
    listening 2 3
    start 4 --mode leaf --peer "$(address 3):6346" "${network[@]}"
    listening 4
    closed 3 2
    begun=${EPOCHREALTIME/./}
    connected "$begun" 1 2 3 4
    fetches 3 2
    fetches 4 2
    fetches 2 4
    browses 3 2
    browses 4 2
    echo "fetched by who is beside it, by who is further away, and itself; its list is read"
done
