# Copyright: (c) 2026, fleetops.container_registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Turns the results of a run into the tables of docs/performance.md: --document writes them there."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

OURS = "this collection"
BEGIN = "<!-- begin of what benchmarks/report.py writes -->"
END = "<!-- end of it -->"


def table(rows: list[list[str]]) -> str:
    """ROWS, of which the first is the head, as Markdown; numbers are on the right."""
    head, *body = rows
    return "\n".join("| " + " | ".join(row) + " |" for row in [head, ["---", *["---:"] * (len(head) - 1)], *body])


def cell(entry: dict[str, Any] | None, ours: dict[str, Any] | None) -> str:
    """Seconds, and how many times our own; or how far a tool got."""
    if entry is None:
        return ""
    verdict = entry["verdict"]
    if verdict == "cut short":
        return f"> {entry['seconds']:.0f} s, {entry['done']:,} of {entry['wanted']:,}"
    if verdict != "done":
        return verdict.partition(":")[0]
    text = f"{entry['seconds']:.1f} s"
    if ours is not None and ours is not entry and ours["verdict"] == "done":
        text += f" ({entry['seconds'] / ours['seconds']:.1f}x)"
    return text


def peers(document: dict[str, Any], what: str) -> str:
    """Who took how long at what. WHAT: ``seconds`` or ``processor``."""
    results = document["results"]
    tools = [name for name in document["tools"] if any(entry["tool"] == name for entry in results)]
    rows = [["job", *(document["tools"][name] for name in tools)]]
    for version, job, tags in dict.fromkeys((entry["version"], entry["job"], entry["tags"]) for entry in results):
        found = {
            entry["tool"]: entry
            for entry in results
            if (entry["version"], entry["job"], entry["tags"]) == (version, job, tags)
        }
        name = f"{version}: list {tags:,}" if job == "list" else f"{version}: prune {tags:,} to {document['keep']}"
        if what == "processor":
            rows.append([name, *(processor(found.get(tool)) for tool in tools)])
        else:
            rows.append([name, *(cell(found.get(tool), found.get(OURS)) for tool in tools)])
    return table(rows)


def processor(entry: dict[str, Any] | None) -> str:
    """Processor seconds of client and registry, which other work on the machine hardly changes, and requests."""
    if entry is None or entry["verdict"] != "done":
        return ""
    return f"{entry['client_cpu']:.1f} + {entry['server_cpu']:.1f} s, {entry['requests']:,}"


def flat(document: dict[str, Any]) -> str:
    """Our own cost for each tag, by size; the start of ansible-playbook is taken off."""
    rows = [["job", "tags", "ms a tag", "processor ms a tag", "requests a tag"]]
    for entry in document["results"]:
        if entry["tool"] == OURS and entry["verdict"] == "done":
            milliseconds = 1000 * (entry["seconds"] - document["start_seconds"]) / entry["tags"]
            used = 1000 * (entry["client_cpu"] + entry["server_cpu"] - document["start_cpu"]) / entry["tags"]
            requests = entry["requests"] / entry["tags"]
            job = f"{entry['version']}: {entry['job']}"
            rows.append([job, f"{entry['tags']:,}", f"{milliseconds:.1f}", f"{used:.1f}", f"{requests:.2f}"])
    return table(rows)


def storage(document: dict[str, Any], over_api: dict[str, Any] | None) -> str:
    """Scan, planning and offline prune."""
    rows = [["job", "time", "peak of memory"]]
    for entry in document["results"]:
        name = f"{entry['part']}, {entry['tags']:,} tags"
        if entry["part"] == "offline prune":
            name = f"{entry['version']}: offline prune of {entry['tags']:,} tags (after {entry['look_and_plan_seconds']:.0f} s of looking and planning)"
        else:
            name += f" in {entry['repositories']:,} repositories" if entry["repositories"] > 1 else " in one repository"
        rows.append([name, f"{entry['seconds']:.1f} s", f"{entry['peak_mib']} MiB"])
        for other in (over_api or {"results": []})["results"]:
            same = (other["version"], other["tags"]) == (entry.get("version"), entry["tags"])
            if same and (other["job"], other["tool"], other["verdict"]) == ("prune", OURS, "done"):
                name = f"{entry['version']}: the same over the API, looking and planning included"
                rows.append([name, f"{other['seconds']:.1f} s", f"{other['peak_mib']} MiB"])
    return table(rows)


def about(document: dict[str, Any]) -> str:
    """The machine and how busy it was."""
    machine = document["environment"]
    loads = [entry["load"] for entry in document["results"]] or [machine["load_before"]]
    return (
        f"{machine['date']}; {machine['cores']} cores ({machine['processor']}), {machine['memory_gib']} GiB, "
        f"{machine['system']}; Python {machine['python']}, ansible-core {machine['ansible_core']}, requests "
        f"{machine['requests']}; load average {min(loads)} to {max(loads)} during the run, {machine['load_before']} before it."
    )


def short(reason: str) -> str:
    """What was wanted, without the machine's paths and hosts."""
    return reason.partition(" ended with ")[0].rpartition("/bin/")[2] + " fails here." if "/bin/" in reason else reason


def main() -> None:
    """Print what there is, and write it beside the results."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--document", type=Path, help="a page that holds the tables between two marks")
    options = parser.parse_args()
    folder = options.folder
    documents = {
        name: json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))
        if (folder / f"{name}.json").exists()
        else None
        for name in ("peers", "storage")
    }
    parts = []
    compared = documents["peers"]
    if compared is not None:
        start = (
            f"Starting ansible-playbook alone takes {compared['start_seconds']:.1f} s of each time of its two columns."
        )
        parts += ["### Beside other tools", about(compared), peers(compared, "seconds"), start]
        parts += ["### The cost of a tag", flat(compared)]
        parts += ["### Processor seconds of client and registry, and requests", peers(compared, "processor")]
        parts += [f"{name} could not be had: {short(reason)}" for name, reason in compared["missing"].items()]
    if documents["storage"] is not None:
        parts += [
            "### Scan, planning and offline prune",
            about(documents["storage"]),
            storage(documents["storage"], compared),
        ]
    text = "\n\n".join(parts) + "\n"
    (folder / "results.md").write_text(text, encoding="utf-8")
    if options.document:
        page = options.document.read_text(encoding="utf-8")
        before, _mark, rest = page.partition(BEGIN)
        after = rest.partition(END)[2]
        options.document.write_text(f"{before}{BEGIN}\n\n{text}\n{END}{after}", encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
