#!/usr/bin/env bash
# Trains an experiment within a time limit and stops it politely then; the next call goes on where it stopped. Once all cells are
# trained it exports them, and prints the table, which has the published row where the experiment names one. Started by run.
#
#   table.sh SECONDS [FILE [OPTION…]]   options are those of `balpoe experiment`; JOBS says how many cells are trained at a time
#
# Exit codes are those of balpoe; 130 means that time was up and the same command goes on. All that is kept is in results/.
set -euo pipefail
# What the program has, after it was asked to stop, to end its step and to save.
grace=15
seconds="${1:-}"
if ! [ "$seconds" -gt "$grace" ] 2> /dev/null; then
    echo "usage: run table SECONDS [FILE [OPTION…]], with more than $grace seconds" >&2
    exit 2
fi
file="${2:-experiments/cifar100-lt.toml}"
name="$(basename "$file" .toml)"

code=0
timeout --preserve-status --signal INT --kill-after "$grace" "$((seconds - grace))" \
    ./balpoe experiment "$file" --out results/runs --device "${DEVICE:-cuda}" --jobs "${JOBS:-5}" "${@:3}" \
    > "results/$name.txt" 2>> "results/$name.log" < /dev/null || code=$?
if [ "$code" != 0 ]; then
    tail -n 12 "results/$name.log"
    [ "$code" != 130 ] || echo "time is up after $SECONDS s; the same command goes on"
    exit "$code"
fi
mkdir -p "results/$name"
./balpoe runs export "$name" --out results/runs --to "results/$name"
cat "results/$name.txt"
