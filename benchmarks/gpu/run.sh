#!/bin/bash
# What pack.sh packed, on a machine with a GPU: bash FOLDER/run.sh first|second [SECONDS]
# first: every kernel checked and timed, then the tests, then extra_*.py of FOLDER. second: the paper's table, then what first left.
# Results go to $OUT (FOLDER/results), a few flat files that are written as they come, so that whatever ends this leaves some.
set -u
here=$(cd "$(dirname "$0")" && pwd)
part=${1:?expected first or second}
limit=${2:-$([ "$part" = first ] && echo 330 || echo 400)}
out=${OUT:-$here/results}
place=${TMPDIR:-/tmp}/hyperinr_gpu # kept between the two: compiled kernels, and what first measured
mkdir -p "$out" "$place/kept"
exec > >(tee "$out/$part.log") 2>&1
log=$!
export OUT=$out PYTHONUNBUFFERED=1 PYTHONSAFEPATH=1 PYTHONPATH=$place/site TRITON_CACHE_DIR=$place/triton OMP_WAIT_POLICY=passive

# limited NAME MOST RESERVE COMMAND...: for at most so many seconds, and so that so many are left after it
limited() {
  local name=$1 most=$2 seconds=$((limit - SECONDS - $3))
  shift 3
  [ "$seconds" -gt "$most" ] && seconds=$most
  if [ "$seconds" -lt 10 ]; then
    echo "== $SECONDS s: no time is left for $name"
    return
  fi
  echo "== $SECONDS s: $name, at most $seconds s"
  BUDGET=$((seconds - 8)) timeout -s INT -k 10 "$seconds" "$@" < /dev/null
  echo "== $SECONDS s: $name ended with $?"
}

# benchmark NAME MOST RESERVE OPTIONS...: measure.py, which is told when to end by itself
benchmark() {
  grep -qs '"complete": true' "$out"/gpu_*.json && [ "${4:-}" = --resume ] && return
  limited "$1" "$2" "$3" bash -c 'exec python3 "$@" --seconds "$BUDGET"' - "$here/benchmarks/gpu/measure.py" -o "$out" "${@:4}"
}

cd "$here"
echo "$part, within $limit s, of $(cat commit.txt)"
nvidia-smi --query-gpu=name,driver_version,clocks.sm,memory.total --format=csv,noheader
ls /dev/nvidiactl || echo "NO /dev/nvidiactl: kernels would be interpreted"
rm -rf "$place/site"
for wheel in wheels/*.whl; do python3 -m zipfile -e "$wheel" "$place/site"; done
limited "what is there" 40 0 python3 -c '
import hyperinr_core, torch
from hyperinr_core.backends import cuda, native
print(hyperinr_core.__file__, torch.__version__, "obstacle:", cuda.obstacle())
print(*cuda.describe(), native.library(), native.supported_isas(), sep="\n")
'
if [ "$part" = first ]; then
  benchmark kernels 200 145
  limited tests 130 "$(ls extra_*.py > /dev/null 2>&1 && echo 45 || echo 5)" bash -c 'exec python3 -P -m pytest -v -n 8 \
    -p no:cacheprovider -p no:benchmark -W default --timeout 100 --durations=12 --tb=short --continue-on-collection-errors -k "not compile" \
    tests/test_graph_loop.py tests/test_graph_fit.py tests/test_triton.py tests/test_gpu.py tests/test_motion_triton.py \
    tests/test_carried_device.py tests/test_backends.py tests/test_evaluators_triton.py > "$OUT/tests.txt" 2>&1'
  grep -E "FAILED|ERROR" "$out/tests.txt" | head -n 20
  tail -n 30 "$out/tests.txt"
  for extra in extra_*.py; do
    [ -e "$extra" ] && PYTHONPATH=$PYTHONPATH:$here/benchmarks limited "$extra" 60 0 python3 "$extra"
  done
  benchmark "kernels that are left" 400 5 --resume
  cp "$out"/gpu_*.json "$place/kept/"
else
  cp "$place"/kept/*.json "$out/" 2> /dev/null
  if python3 -c 'import tinycudann' 2> /dev/null; then
    limited "numbers of tiny-cuda-nn" 40 0 python3 tools/tcnn_numbers.py
    cp tests/data/tcnn_numbers.* "$out/"
  fi
  benchmark "the paper's table" 400 10 --paper
  benchmark "kernels that are left" 400 5 --resume
fi
ls -l "$out"
exec > /dev/null 2>&1 # the log is whole when its writer ends
wait "$log"
