#!/usr/bin/env python3
"""Runs the examples as a reader would, but shorter, and looks at what they say.

    examples.py EXAMPLES_BUILD SOURCE       TAP
"""
import json
import os
import pathlib
import re
import signal
import struct
import subprocess
import sys
import tempfile
import zlib

import tap


def says(name, pattern, *command, **options):
    code, out = tap.run(*command, **options)
    tap.ok(code == 0 and re.search(pattern, out, re.M), name, f"exit status {code}, expected /{pattern}/ in\n{out}")


def png_size(path):
    """(width, height) of a sound PNG: every chunk's sum is right and the data unpack to the announced length."""
    data = path.read_bytes()
    at, packed, size = 8, b"", None
    while at < len(data):
        n, kind = struct.unpack(">I4s", data[at:at + 8])
        body, crc = data[at + 8:at + 8 + n], struct.unpack(">I", data[at + 8 + n:at + 12 + n])[0]
        if crc != zlib.crc32(kind + body):
            return None
        size = struct.unpack(">II", body[:8]) if kind == b"IHDR" else size
        packed += body if kind == b"IDAT" else b""
        at += 12 + n
    return size if len(zlib.decompress(packed)) == (3 * size[0] + 1) * size[1] else None


def interrupted(program, data, picture):
    """Ctrl-C in the middle: a last word, no picture, exit status 130."""
    with subprocess.Popen([program, data, picture, "1000"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as child:
        seen = ""
        for line in child.stdout:
            seen += line
            if line.startswith("eager  epoch"):
                child.send_signal(signal.SIGINT)
                break
        try:
            rest, _ = child.communicate(timeout=60)
        except subprocess.TimeoutExpired:
            child.kill()
            return f"still running after Ctrl-C\n{seen}"
        if child.returncode == 130 and rest.rstrip().endswith("interrupted"):
            return ""
        return f"exit status {child.returncode}\n{seen}{rest}"


def main():
    build, source = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
    epochs = sys.argv[3] if len(sys.argv) > 3 else "30"
    data = source / "examples" / "data" / "digits.csv"
    with tempfile.TemporaryDirectory() as name:
        top = pathlib.Path(name)
        code, out = tap.run(build / "digits", data, top / "digits.png", epochs)
        last = out.strip().split("\n")[-1]
        m = re.fullmatch(r"digits: accuracy ([\d.]+) %, eager [\d.]+ us/step, replay [\d.]+ us/step, bit-equal (yes|no)", last)
        tap.ok(code == 0 and m, "digits runs to its last line", out)
        tap.ok(m and m[2] == "yes", "eager and replay end with the same bits", last)
        tap.ok(m and float(m[1]) >= (95 if epochs == "30" else 60), f"digits: test accuracy after {epochs} epochs", last)
        tap.ok("gradcheck: " in out, "digits checks its gradient first", out)
        tap.ok((top / "digits.png").is_file() and png_size(top / "digits.png") == (760, 520), "digits.png is a sound picture")
        trouble = interrupted(build / "digits", data, top / "none.png")
        tap.ok(not trouble, "Ctrl-C ends digits cleanly", trouble)
        code, out = tap.run(build / "digits", top / "absent.csv")
        tap.ok(code == 1 and "absent.csv" in out, "digits without its data says so", out)

    says("linear_regression finds W and b twice", r"function: W = 0\.1\d*, b = 0\.[23]\d*[\s\S]*graph: W = 0\.1\d*, b = 0\.[23]\d*",
         build / "linear_regression")
    says("gradcheck_test gives the right verdicts", r"^ok   classify[\s\S]*^ok   product[\s\S]*^ok   layer[\s\S]*^ok   product", build / "gradcheck_test")
    says("memory: four threads train in two arenas, explain has kernels and shares",
         r"^loss \S+; an arena of \d+ bytes[\s\S]* [1-9]\d* bytes of variables over their old values[\s\S]*of peak[\s\S]*old value",
         build / "memory")
    says("custom_pass: a rule finds its node, the plan shows it",
         r"^silu +x / [\s\S]*^found 1, 5\.8414\d+ eagerly, 5\.8414\d+ replayed[\s\S]*^ +silu +f32\[2,3\] +\S*custom_pass\.c:\d+",
         build / "custom_pass")
    says("one_pass: the same loss, fewer steps",
         r"^passes none: loss (\S+)\npasses default: loss \1\n[\s\S]*as one[\s\S]* max [\s\S]* exp [\s\S]* sum [\s\S]* div [\s\S]*2 as one[\s\S]*adam_update[\s\S]*adam_update",
         build / "one_pass")
    says("custom_op: gradients, a replay and an error with its line",
         r"^gradcheck: first and second order agree[\s\S]*^loss (\d+\.\d+) eagerly, \1 replayed[\s\S]*^a mistake: \S*custom_op\.c:\d+: reel_scaled: the factor is 0",
         build / "custom_op")
    says("newton finds the square root of two", r"eager 1\.4142135623\d* 1\.41421356", build / "newton")
    says("graph_gradient: a training step, slopes and curvatures of one graph, its layer traced once",
         r"^loss 0\.00\d+ after 1500 steps, 1 traces of the layer[\s\S]*curvature", build / "graph_gradient", "1500")
    says("control_flow: roots, slopes and one trace each for all sizes but two",
         r"^sqrt\(40\) = 6\.324555320, slope 0\.079057 \(0\.079057\)[\s\S]*^traces: 1 and 3", build / "control_flow")
    with tempfile.TemporaryDirectory() as cache:
        says("compiled gives the same bits", r"the same bits: yes[\s\S]*^compiled: ", build / "compiled", env={**os.environ, "REEL_CACHE_DIR": cache})
    says("retrace explains itself, and notices a rate that changes",
         r"^step: 3 traces made, 3 kept \(at most 16\), 7 replays[\s\S]*unknown from now on[\s\S]*number 0\.1[\s\S]*^checked: .*retrace\.c:\d+ a number is 0\.01, which was 0\.1[\s\S]*^declared: 2 traces",
         build / "retrace")
    says("session_threads gets the same answers", r"4 threads, 50 runs each, 0 answers differ", build / "session_threads", "50")
    says("gan trains", r"generated: mean -?\d", build / "gan", "40")
    with tempfile.TemporaryDirectory() as name:
        says("export: a training step as C, built and compared", r"^export: (20 steps of the exported program, .* of eager's|there is no cc)",
             build / "export", name)
        says("debugging: a hook, a verified replay, a table of times, the op that overflows",
             r'^%\d+ matmul "logits" [\s\S]*^\d+ nodes have the same values[\s\S]*^20 runs of [\s\S]*^REEL_ENUMERICS: \S*debugging\.c:\d+: reel_exp',
             build / "debugging", name)
        tap.ok(json.loads((pathlib.Path(name) / "trace.json").read_text())["traceEvents"], "the trace is JSON with events")
    says("lenet learns", r"^step   11: loss \d[\s\S]*^lenet: test accuracy [3-9]\d", build / "lenet", "12", data)
    says("dqn plays", r"step   200: ", build / "dqn", "200")
    says("char_lstm learns and speaks", r"step   11: \d\.\d+ nats", build / "char_lstm", source / "examples" / "char_lstm.c", "12")

    says("register finds the map between two images", r"^blurred: .*\n^sharp: [\s\S]*^register: off by \d\.\de-0[3-9] at most", build / "register")
    says("pca finds three causes and the weights", r"^pca: 3 components hold 99\.[\s\S]*apart by \d\.\de-1\d\n[\s\S]*^least squares: constant 0\.[4-6]\d, residual 0\.[01]",
         build / "pca")
    says("decode: a cache gives what everything at once gives", r"^after 40 tokens: cache 2 x 40 x 32\n^decode: 16 tokens one by one, off by \d\.\de(\+00|-0[6-9])",
         build / "decode")
    says("recommend touches the rows of the batch, and recommends", r"^first step: (\d+) people .*, 17\d\d of 2000[\s\S]*, [45] of 5 recommendations are right",
         build / "recommend")
    says("statistics are those of the instruments", r"^instrument 2: .*mean 20\.0[\s\S]*^statistics: means and deviations within 0\.0\d+", build / "statistics")

    code, out = tap.run(build / "server", input="1 2 3 4\n1 2 3\nrubbish\n5 6 7 8 1 2 3 4\n")
    lines = out.strip().split("\n")
    tap.ok(code == 0 and len(lines) == 4 and len(lines[0].split()) == 3 and len(lines[3].split()) == 6, "server answers good requests", out)
    tap.ok(len(lines) == 4 and lines[1].startswith("error REEL_ESHAPE") and '"x"' in lines[1] and "[1,3]" in lines[1],
           "server names the feed and its shape in a bad one", out)
    tap.ok(len(lines) == 4 and lines[3].split()[3:] == lines[0].split(), "a padded batch gives the same answer", out)
    tap.finish()


main()
