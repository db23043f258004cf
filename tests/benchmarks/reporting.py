"""Where benchmark reports go and what they say of the machine."""

import json
import os
import platform
import statistics
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

REPORTS: Final = Path(__file__).parent / "reports"
_LIBRARIES: Final = ("numpy", "onnxruntime", "tokenizers", "torch", "transformers")


def machine() -> dict[str, str]:
    """Processor, cores and versions: what a figure depends on."""
    cpu = "unknown processor"
    info = Path("/proc/cpuinfo")
    if info.exists():
        lines = [line for line in info.read_text().splitlines() if ":" in line]
        facts = dict(reversed([[part.strip() for part in line.split(":", 1)] for line in lines]))
        flags = set(facts.get("flags", "").split())
        sets = [name for name in ("avx2", "avx512f", "avx512_vnni", "avx_vnni") if name in flags]
        cpu = (
            f"{facts.get('model name', cpu)} (family {facts.get('cpu family')}, "
            f"model {facts.get('model')}; {', '.join(sets)})"
        )
    versions = ", ".join(f"{name} {version(name)}" for name in _LIBRARIES)
    return {
        "processor": cpu,
        "cores": str(os.cpu_count()),
        "system": f"{platform.system()}, Python {platform.python_version()}",
        "versions": versions,
    }


def spread(values: Sequence[float], digits: int = 1) -> str:
    """Median and range, as they stand in a table."""
    middle = statistics.median(values)
    return f"{middle:,.{digits}f} ({min(values):,.{digits}f}-{max(values):,.{digits}f})"


def write(name: str, facts: Mapping[str, Any], body: str, command: str) -> None:
    """Write ``reports/<name>.json`` and ``.md``; the command that makes them stands in both."""
    REPORTS.mkdir(exist_ok=True)
    whole = {"command": command, "machine": machine(), **facts}
    text = json.dumps(whole, indent=2, ensure_ascii=False)
    (REPORTS / f"{name}.json").write_text(f"{text}\n", encoding="utf-8")
    (REPORTS / f"{name}.md").write_text(page(name, whole, body), encoding="utf-8")


def page(name: str, whole: Mapping[str, Any], body: str) -> str:
    """The report in Markdown: what made it, where, and its body.

    Args:
        name: of the report.
        whole: what its JSON holds.
        body: what stands below.
    """
    lines = "\n".join(f"- {key}: {value}" for key, value in whole["machine"].items())
    return f"# {name}\n\nMade by `{whole['command']}`.\n\n{lines}\n\n{body}\n"


def read(name: str) -> Any:
    """What the JSON of a committed report holds."""
    return json.loads((REPORTS / f"{name}.json").read_text(encoding="utf-8"))
