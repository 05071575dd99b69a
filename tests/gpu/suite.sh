#!/usr/bin/env bash
# Holds the GPUs of this machine against its processor, and measures them, all of it within ten minutes: what there is no time
# for is named. What it finds is in results/. Started by run, which finds the libraries.
set -euo pipefail
deadline=570
# The GPU's time is not for its emulation, which runs everywhere else.
export BALPOE_EMULATION=off

failed=0
# What another build or another GPU left is not compared with.
rm -f results/bench.*
# within NAME SECONDS COMMAND...: keeps what the command prints in results/NAME.txt, and its complaints in results/NAME.log. 75
# says that there was no time left for it.
within() {
    local name="$1" seconds=$((deadline - SECONDS < $2 ? deadline - SECONDS : $2)) code=0
    shift 2
    if [ "$seconds" -le 0 ]; then
        echo "$name: no time left"
        return 75
    fi
    timeout "$seconds" "$@" > "results/$name.txt" 2> "results/$name.log" < /dev/null || code=$?
    [ "$code" = 0 ] || echo "$name: exit code $code; see results/$name.txt and results/$name.log"
    return "$code"
}

within doctor 120 ./balpoe doctor || failed=1
cat results/doctor.txt
if ! grep -q '^cuda .*can be used' results/doctor.txt; then
    echo "no GPU can be used: nothing was shown" >&2
    exit 4
fi

# First what nothing else can be said without: whether it computes the right thing.
for suite in devices cuda_kernels; do
    within "$suite" 150 "suite/$suite" --nocapture --test-threads 1 || failed=1
    grep -hE '^test result|^skipped on a GPU' "results/$suite.txt" "results/$suite.log" | sort | uniq -c || true
    # Without its skips, a suite that never touched the GPU would look green.
    if grep -qhE 'skipped on a GPU: (1 |there is none)' "results/$suite.txt" "results/$suite.log"; then
        echo "$suite found no GPU" >&2
        failed=1
    fi
done

has_torch=0
if python3 -c 'import torch; assert torch.cuda.is_available()' 2> /dev/null; then has_torch=1; fi

# Measurements are called bench.NETWORK.EXPERTS.SIDE.ROUND.
ours() { # ours NETWORK EXPERTS PRECISION ROUND REPEATS
    local code=0
    within "bench.$1.$2.ours-$3.$4" 60 \
        ./balpoe bench train --device cuda --network "$1" --experts "$2" --precision "$3" --repeats "$5" --json || code=$?
    [ "$code" = 0 ] || [ "$code" = 75 ] || failed=1
}
theirs() { # theirs NETWORK EXPERTS SIDE REPEATS OPTIONS..., where PyTorch is at hand
    [ "$has_torch" = 1 ] || return 0
    local script=(torch_step.py train --network "$1" --repeats "$4")
    # Where it is at hand, the peer of every other comparison.
    if [ "$1" = resnet32 ] && [ -f torch_peer.py ]; then script=(torch_peer.py train --steps "$4"); fi
    within "bench.$1.$2.torch$3.1" 150 python3 "${script[@]}" --experts "$2" --device cuda "${@:5}" || true
}
# In turns, so that what slows the machine down slows both; what is wanted most comes first.
measure() { # measure NETWORK EXPERTS REPEATS
    ours "$1" "$2" bf16 1 "$3"
    theirs "$1" "$2" -amp "$3" --amp
    ours "$1" "$2" bf16 2 "$3"
    theirs "$1" "$2" -amp-compiled "$3" --amp --compile
    ours "$1" "$2" bf16 3 "$3"
}
measure resnet32 3 200
measure resnet50 3 40
measure resnet50 1 40
# PyTorch's convolutions are in TensorFloat-32 unless they are asked not to.
ours resnet50 3 tf32 1 20
theirs resnet50 3 "" 20
ours resnet32 3 tf32 1 200
theirs resnet32 3 "" 200
measure resnet32 1 200

python3 ratios.py results | tee results/ratios.txt
exit "$failed"
