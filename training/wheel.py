"""The wheel of the very package that runs, to be kept beside a model that needs it."""

import base64
import csv
import hashlib
import io
import json
import subprocess
import sys
import zipfile
from importlib.metadata import Distribution, distribution
from pathlib import Path, PurePosixPath
from typing import Final
from urllib.parse import unquote, urlsplit

#: what the package is called where it is installed
NAME: Final = "replyrank"
#: of an installation, and not of the wheel it came from
_NOT_PACKED: Final = frozenset({"INSTALLER", "REQUESTED", "direct_url.json", "RECORD"})
_TIMEOUT: Final = 300


def own_wheel(folder: Path) -> Path | None:
    """Write the wheel of the installed package; None where its files are not known.

    An installation is packed again from its own list of files; of an editable one the wheel is
    built from its checkout, for which pip may fetch the build backend.
    """
    found = distribution(NAME)
    checkout = editable_checkout(found)
    return packed_wheel(found, folder) if checkout is None else _built(checkout, folder)


def editable_checkout(found: Distribution) -> Path | None:
    """Where an editable installation has its files."""
    facts = json.loads(found.read_text("direct_url.json") or "{}")
    if not facts.get("dir_info", {}).get("editable"):
        return None
    return Path(unquote(urlsplit(facts["url"]).path))


def _built(checkout: Path, folder: Path) -> Path | None:
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps"]
    command += ["--wheel-dir", str(folder), str(checkout)]
    try:
        subprocess.run(command, check=True, capture_output=True, timeout=_TIMEOUT)  # noqa: S603
    except (subprocess.SubprocessError, OSError):
        return None
    return next(iter(folder.glob(f"{NAME}-*.whl")), None)


def packed_wheel(found: Distribution, folder: Path) -> Path | None:
    """The wheel of an installed distribution (PyPA's binary distribution format, version 1.0)."""
    files = {
        PurePosixPath(file): Path(str(file.locate()))
        for file in found.files or ()
        if file.name not in _NOT_PACKED and not {"..", "__pycache__"} & {*file.parts}
    }
    tags = [
        line.removeprefix("Tag: ")
        for line in (found.read_text("WHEEL") or "").splitlines()
        if line.startswith("Tag: ")
    ]
    info = next((name.parts[0] for name in files if name.parts[0].endswith(".dist-info")), None)
    if not tags or info is None:
        return None
    target = folder / f"{info.removesuffix('.dist-info')}-{tags[0]}.whl"
    record = io.StringIO()
    rows = csv.writer(record, lineterminator="\n")
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as wheel:
        for name in sorted(files):
            content = files[name].read_bytes()
            wheel.writestr(str(name), content)
            digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=")
            rows.writerow([name, f"sha256={digest.decode()}", len(content)])
        rows.writerow([f"{info}/RECORD", "", ""])
        wheel.writestr(f"{info}/RECORD", record.getvalue())
    return target
