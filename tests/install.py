#!/usr/bin/env python3
"""An installed Reel serves pkg-config, CMake and Meson, and so does its source as a subproject.

    install.py BUILD SOURCE       TAP
"""
import os
import pathlib
import shutil
import sys
import tempfile

import tap


def main():
    build, source = pathlib.Path(sys.argv[1]).resolve(), pathlib.Path(sys.argv[2]).resolve()
    consumer = source / "tests" / "consumer"
    cc = os.environ.get("CC", "cc").split()[0]
    with tempfile.TemporaryDirectory() as name:
        top = pathlib.Path(name)
        stage = top / "stage"
        if not tap.succeeds("meson install", "meson", "install", "-C", build, "--no-rebuild", "--destdir", stage):
            tap.finish()
        pc = next(iter(stage.rglob("reel.pc")), None)
        header = next(iter(stage.rglob("reel/sites.h")), None)
        tap.ok(pc and header and list(stage.rglob("libreel.so")) and list(stage.rglob("libreel.a")), "headers, both libraries and reel.pc are there")
        if not pc or not header:
            tap.finish()
        libdir, prefix = pc.parent.parent, header.parent.parent.parent
        env = os.environ | {"PKG_CONFIG_PATH": str(pc.parent), "LD_LIBRARY_PATH": str(libdir), "CMAKE_PREFIX_PATH": str(prefix)}

        if shutil.which("pkg-config"):
            move = f"--define-variable=prefix={prefix}"
            code, flags = tap.run("pkg-config", move, "--cflags", "--libs", "reel", env=env)
            tap.ok(code == 0, "pkg-config knows reel", flags)
            if tap.succeeds("compiles with pkg-config's flags", cc, consumer / "main.c", "-o", top / "shared", *flags.split()):
                tap.succeeds("runs with the shared library", top / "shared", env=env)
            code, flags = tap.run("pkg-config", move, "--static", "--cflags", "--libs", "reel", env=env)
            flags = [f"{libdir}/libreel.a" if f == "-lreel" else f for f in flags.split()]
            if tap.succeeds("compiles with pkg-config --static", cc, consumer / "main.c", "-o", top / "static", *flags, env=env):
                tap.succeeds("runs with the static library", top / "static")
        else:
            tap.skip("pkg-config", "not installed")

        if shutil.which("cmake"):
            if tap.succeeds("CMake finds it", "cmake", "-S", consumer, "-B", top / "cmake", f"-DCMAKE_C_COMPILER={cc}", env=env) and \
               tap.succeeds("CMake builds with it", "cmake", "--build", top / "cmake", env=env):
                tap.succeeds("CMake's program runs, shared", top / "cmake" / "consumer", env=env)
                tap.succeeds("CMake's program runs, static", top / "cmake" / "consumer_static", env=env)
        else:
            tap.skip("CMake", "not installed")

        project = top / "project"
        (project / "subprojects").mkdir(parents=True)
        for f in ("main.c", "meson.build"):
            shutil.copy(consumer / f, project)
        (project / "subprojects" / "reel").symlink_to(source)
        options = ["-Dreel:openblas=disabled", "-Dreel:onednn=disabled", "-Dreel:werror=false", "-Dreel:levels=false", "-Doptimization=0", "-Ddebug=false"]
        if tap.succeeds("Meson takes the source as a subproject", "meson", "setup", top / "sub", project, *options) and \
           tap.succeeds("the subproject builds", "ninja", "-C", top / "sub", "consumer"):
            tap.succeeds("the program with the subproject runs", top / "sub" / "consumer")
    tap.finish()


main()
