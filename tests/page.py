#!/usr/bin/env python3
"""The page of reel_graph_html in a real browser, without its network: page.py PROGRAM [SCREENSHOT]. PROGRAM writes the page. Writes TAP."""
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

import tap


def main():
    browser = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))), None)
    if not browser:
        print("1..0 # SKIP no chromium is installed")
        return 0
    with tempfile.TemporaryDirectory() as name:
        top = pathlib.Path(name)
        command = [browser, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--user-data-dir=" + name + "/profile",
                   "--host-resolver-rules=MAP * ~NOTFOUND", "--window-size=1300,900", "--virtual-time-budget=3000"]
        page = top / "graph.html"
        code, out = tap.run(sys.argv[1], top)
        tap.ok(code == 0 and page.is_file(), "the page is written", out)

        def dom(where):
            # chromium says things about the machine on stderr; a busy machine may need a second try
            for _ in range(2):
                try:
                    done = subprocess.run(command + ["--dump-dom", page.as_uri() + where], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                                          text=True, timeout=100, check=False).stdout
                except subprocess.TimeoutExpired:
                    continue
                if 'data-ready="yes"' in done:
                    return done.split("</script>", 2)[-1] + done.split("<script", 1)[0]
            return ""

        plain = dom("#unfold")
        boxes = len(re.findall(r'class="box ', plain))
        if not plain:
            tap.skip("the page in a browser", "chromium does not run here")
            return tap.finish()
        tap.ok(boxes >= 6, "boxes are drawn", plain[-3000:])
        tap.ok(len(re.findall(r'class="edge', plain)) >= 5, "and edges", plain[-3000:])
        tap.ok('class="hull"' in plain, "name scopes are framed")
        folded = dom("#fold")
        tap.ok(0 < len(re.findall(r'class="box ', folded)) < boxes and "box group" in folded, "groups fold")
        found = dom("#find=matmul")
        tap.ok(re.search(r"[2-9] found", found) and re.search(r'class="box [^"]*found', found), "search finds an op")
        number = re.search(r'"i":(\d+),"kind":"op","op":"matmul"', page.read_text(encoding="utf-8"))[1]
        chosen = dom("#node=" + number)
        side = chosen[chosen.find("<aside"):]
        tap.ok("debugging.c:" in side and "f32[" in side and re.search(r"[µm]s a run", side), "a node tells its line, types and time", side[:3000])
        if len(sys.argv) > 2:
            subprocess.run(command + ["--screenshot=" + sys.argv[2], page.as_uri() + "#node=" + number], stdout=subprocess.DEVNULL,
                           stderr=subprocess.DEVNULL, timeout=100, check=False)
    return tap.finish()


sys.exit(main())
