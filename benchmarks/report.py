"""Print the figures of a benchmark run as a Markdown table.

pytest benchmarks --benchmark-json=figures.json && python benchmarks/report.py figures.json
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path


def main() -> None:
    parser = argparse.ArgumentParser(description="Print the figures of a benchmark run as a Markdown table.")
    parser.add_argument("figures", type=Path, help="what pytest --benchmark-json wrote")
    report = json.loads(parser.parse_args().figures.read_text())
    cpu = report["machine_info"]["cpu"]
    print(f"{report['datetime'][:10]}, {cpu.get('brand_raw', 'unknown CPU')}, {cpu.get('count', '?')} cores\n")
    print("| benchmark | median ms | |\n|---|---|---|")
    hidden = {"foreign_load", "threads", "ours_ms"}
    for row in sorted(report["benchmarks"], key=lambda row: row["fullname"]):
        facts = "; ".join(f"{name} {value}" for name, value in row["extra_info"].items() if name not in hidden)
        print(f"| {row['name'].removeprefix('test_')} | {1000 * row['stats']['median']:.3g} | {facts} |")


if __name__ == "__main__":
    main()
