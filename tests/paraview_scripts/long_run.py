"""Changes the time MODEL is shown at COUNT times in one session; prints memory and seconds along the way as JSON."""

import json
import sys
import time

from paraview import simple

MODEL, COUNT = sys.argv[1], int(sys.argv[2])


def resident_mb():
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmRSS")) / 1024


source = simple.OpenDataFile(MODEL)
source.CacheMB = 8
low, high = source.TimestepValues[0], source.TimestepValues[-1]
report = []
begin = time.perf_counter()
for number in range(1, COUNT + 1):
    source.UpdatePipeline(low + (high - low) * (number * 0.6180339887 % 1))
    if number * 10 % COUNT == 0:
        now = time.perf_counter()
        report.append(
            {"changes": number, "mb": round(resident_mb(), 1), "ms": round((now - begin) * 10_000 / COUNT, 2)}
        )
        begin = now
print(json.dumps(report))
