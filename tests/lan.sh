#!/usr/bin/env bash
# Hosts on one wire that find each other with no address given, and networks that do not mix.
#
#   tests/lan.sh PROGRAM
#
# Needs root, ip(8), unshare(1) and nsenter(1).
set -euo pipefail

if [ "${1:-}" != --inside ]; then
    exec unshare --net "${BASH_SOURCE[0]}" --inside "$(realpath "$1")"
fi
filbert=$2
# shellcheck source=tests/hosts.sh
source "$(dirname "${BASH_SOURCE[0]}")/hosts.sh"

# Neither its search nor a dial crosses from one network into another.
apart() {
    local from=$1 to=$2 code=0
    ask "$from" search --timeout 3 "$(word "$to")" >/dev/null || code=$?
    [ "$code" = 3 ] || fail "host $from finds the file of host $to in another network ($code)"
    if ask "$from" connect "$(address "$to"):6346" 2>"$home/connect.log"; then
        fail "host $from is let into the network of host $to"
    fi
    grep -q "refused: 403" "$home/connect.log" ||
        fail "host $from is not told why host $to refuses it"
    if ask "$from" peers --json | grep -q "$(address "$to"):"; then
        fail "host $from has a neighbour in the network of host $to"
    fi
}

echo "== three hosts, no address given"
wire 1 2 3
begun=${EPOCHREALTIME/./}
for number in 1 2 3; do
    start "$number" --lan
done
connected "$begun" 1 2 3
exchange 1 2 3

echo "== two hosts, no address given"
wire 1 2
begun=${EPOCHREALTIME/./}
start 1 --lan
start 2 --lan
connected "$begun" 1 2
exchange 1 2

echo "== two networks on one wire, one of them with a secret"
wire 1 2 3 4
echo "a secret that only two hosts know" >"$home/secret"
start 1 --lan --network red
start 2 --lan --network red
start 3 --lan --network blue --network-secret-file "$home/secret"
start 4 --lan --network blue --network-secret-file "$home/secret"
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
