"""Compile protos/parley/v1/*.proto into parley/v1, the one place where the generated code lives, checked in.

Beside protobuf's own code stands `conversation_json.py`, which protos/json_code.py writes from the same protos.

`python protos/generate.py` writes; `--check` writes nothing, lists what differs and exits with 1 if anything does.
The output depends on nothing but the protos and the versions of grpcio-tools and mypy-protobuf that the lock pins.
Knows nothing about what the messages mean.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PROTOS = ROOT / "protos"
PACKAGE = Path("parley", "v1")

# Type checkers see a package only with its __init__; protoc writes none.
INIT = '"""Messages and stubs of the wire, generated from protos/parley/v1 by protos/generate.py. Never edit."""\n'


def compile_into(target: Path) -> None:
    """Compile every proto of the package, and its type stubs, into `target`/parley/v1.

    Raises:
        subprocess.CalledProcessError: protoc or json_code.py refused a proto; it has said why on stderr.
    """
    sources = sorted(path.relative_to(PROTOS).as_posix() for path in (PROTOS / PACKAGE).glob("*.proto"))
    # The plugins come from the very environment that runs this, whatever PATH says.
    scripts = Path(sysconfig.get_path("scripts"))
    descriptors = target / "descriptors.binpb"
    command = [
        *(sys.executable, "-m", "grpc_tools.protoc", f"--proto_path={PROTOS}"),
        f"--plugin=protoc-gen-mypy={scripts / 'protoc-gen-mypy'}",
        f"--plugin=protoc-gen-mypy_grpc={scripts / 'protoc-gen-mypy_grpc'}",
        *(f"--{output}={target}" for output in ("python_out", "grpc_python_out", "mypy_out", "mypy_grpc_out")),
        *("--mypy_opt=quiet", "--mypy_grpc_opt=quiet"),
        *(f"--descriptor_set_out={descriptors}", "--include_imports"),
        *sources,
    ]
    subprocess.run(command, check=True)
    package = target / PACKAGE
    (package / "__init__.py").write_text(INIT, encoding="utf-8")
    json_code = (PROTOS / "json_code.py", descriptors, package / "conversation_json.py")
    subprocess.run([sys.executable, *map(str, json_code)], check=True)
    # protoc writes stubs for every proto, hollow ones where it defines no service.
    for stub in [stub for stub in package.glob("*_pb2_grpc.py") if "Servicer" not in stub.read_text(encoding="utf-8")]:
        stub.unlink()
        stub.with_suffix(".pyi").unlink()


def differences(target: Path) -> list[str]:
    """Name, in order, every generated file that is missing, stale or left over in the checkout.

    Args:
        target: Folder into which `compile_into` has just written.
    """
    fresh, kept = _contents(target / PACKAGE), _contents(ROOT / PACKAGE)
    return sorted(
        (PACKAGE / name).as_posix() for name in fresh.keys() | kept.keys() if fresh.get(name) != kept.get(name)
    )


def write(target: Path) -> None:
    """Make the checkout's parley/v1 equal to `target`'s, touching only the files that differ."""
    for name in differences(target):
        fresh, kept = target / name, ROOT / name
        if fresh.exists():
            kept.parent.mkdir(parents=True, exist_ok=True)
            kept.write_bytes(fresh.read_bytes())
        else:
            kept.unlink()


def main() -> int:
    """Generate, or check; return the exit status."""
    parser = argparse.ArgumentParser(description="Compile protos/parley/v1 into parley/v1.")
    parser.add_argument("--check", action="store_true", help="write nothing; exit with 1 if parley/v1 is stale")
    check: bool = parser.parse_args().check
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder)
        compile_into(target)
        stale = differences(target)
        if not check:
            write(target)
    for name in stale:
        print(f"{name}: {'stale; run `make generate`' if check else 'written'}")
    return 1 if check and stale else 0


def _contents(package: Path) -> dict[str, bytes]:
    """Map file names to bytes; of a folder that does not exist, nothing."""
    return {path.name: path.read_bytes() for path in package.glob("*.py*") if path.is_file()}


if __name__ == "__main__":
    sys.exit(main())
