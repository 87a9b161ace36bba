"""The native floor, built where there is a g++: libdeflate and simdjson from the sources that PyPI has of their
Python packages, Arrow from the pyarrow that is installed. Nothing of it is kept in the repository but floor.cpp."""

import hashlib
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

SOURCES = {  # version and SHA-256 of what PyPI has
    "deflate": ("0.9.0", "962e0a6f1ea3a94b900a8ea0ce138fa92bfcbafda5b86367104a259ffcd3462b"),
    "pysimdjson": ("7.0.2", "44cf276e48912a3b9c7ca362c14da8420a7ac15a9f1a16ec95becff86db3904a"),
}
_FLOOR = Path(__file__).parent / "floor.cpp"


class NoNativeFloorError(RuntimeError):
    """The floor cannot be built here; the message says what is missing."""


def native_floor(cache: Path) -> Path:
    """The program, built below `cache` once. Raises NoNativeFloorError."""
    program = cache / "floor"
    if program.exists() and program.stat().st_mtime > _FLOOR.stat().st_mtime:
        return program
    compilers = {name: shutil.which(name) for name in ("gcc", "g++")}
    if missing := [name for name, found in compilers.items() if not found]:
        raise NoNativeFloorError(f"there is no {' and no '.join(missing)}")
    cache.mkdir(parents=True, exist_ok=True)
    deflate, simdjson = (_unpack(cache, name) for name in SOURCES)
    command = ["g++", "-std=c++20", "-O3", "-march=native", "-o", str(program), str(_FLOOR)]
    command += [str(simdjson / "simdjson" / "simdjson.cpp"), f"-I{simdjson / 'simdjson'}"]
    command += [f"-I{deflate / 'libdeflate'}", *_libdeflate(cache, deflate / "libdeflate"), *_arrow()]
    _run(command)
    return program


def _libdeflate(cache: Path, folder: Path) -> list[str]:
    sources = [
        *(folder / "lib").glob("*.c"),
        *(folder / "lib" / "x86").glob("*.c"),
        *(folder / "lib" / "arm").glob("*.c"),
    ]
    objects = [cache / f"{source.parent.name}-{source.stem}.o" for source in sources]
    for source, made in zip(sources, objects, strict=True):
        _run(["gcc", "-O3", "-c", str(source), f"-I{folder}", "-o", str(made)])
    return [str(made) for made in objects]


def _arrow() -> list[str]:
    import pyarrow

    folder = Path(pyarrow.__file__).parent
    library = next(iter(sorted(folder.glob("libarrow.so.*"))), None)
    if library is None:
        raise NoNativeFloorError("pyarrow has no libarrow.so beside it")
    return [f"-I{folder / 'include'}", str(library), f"-Wl,-rpath,{folder}"]


def _unpack(cache: Path, name: str) -> Path:
    version, digest = SOURCES[name]
    folder = cache / f"{name}-{version}"
    if not folder.exists():
        pip = [sys.executable, "-m", "pip", "download", "-q", "--disable-pip-version-check", "--no-deps"]
        _run([*pip, "--no-binary", name, "-d", str(cache), f"{name}=={version}"])
        archived = next(cache.glob(f"{name}-*.tar.gz"))
        if hashlib.sha256(archived.read_bytes()).hexdigest() != digest:
            raise NoNativeFloorError(f"{archived.name} is not the one whose SHA-256 is known")
        with tarfile.open(archived) as archive:
            archive.extractall(cache, filter="data")
    return folder


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise NoNativeFloorError(f"{command[0]} {' '.join(command[1:4])} ... failed: {done.stderr.strip()[-600:]}")
