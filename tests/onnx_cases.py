#!/usr/bin/env python3
"""Runs the ONNX backend node tests where their archive is: ../shared/data/onnx beside the source, or REEL_ONNX names it.

    onnx_cases.py TEST_ONNX SOURCE BUILD [WORD]     TAP
"""
import os
import pathlib
import subprocess
import sys
import tarfile


def main():
    program, source, build = sys.argv[1], pathlib.Path(sys.argv[2]), pathlib.Path(sys.argv[3])
    archives = sorted((source.resolve().parent / "shared" / "data" / "onnx").glob("backend-node-*.tar.gz"))
    archive = pathlib.Path(os.environ["REEL_ONNX"]) if "REEL_ONNX" in os.environ else archives[-1] if archives else None
    if archive is None or not archive.is_file():
        print("1..0 # SKIP the ONNX cases (../shared/data/onnx/backend-node-*.tar.gz) are not here")
        return 0
    folder = build / "onnx-cases"
    done = folder / ".unpacked"
    if not done.is_file():
        with tarfile.open(archive) as tar:
            tar.extractall(folder, members=[m for m in tar if m.isreg() and not m.name.startswith(("/", "..")) and ".." not in m.name])
        done.touch()
    return subprocess.run([program, folder / "node", *sys.argv[4:]]).returncode


sys.exit(main())
