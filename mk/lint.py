#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""make lint: the project's own rules and a few checkers. Each rule is a test.

A rule is a function that yields complaints, "file:line: what". Sizes are
budgets, not style: a function of more than 100 lines or a C file of more than
500 (a test: 800) does too much.
"""

import concurrent.futures
import json
import os
import re
import statistics
import subprocess
import sys
import time
from pathlib import Path

from results import Results

MAX_FUNCTION, MAX_COLUMNS = 100, 110
MAX_FILE, MAX_TEST_FILE = 500, 800
SKIPPED_DIRS = {"build", ".git", "__pycache__", "corpus", "golden"}
C_SUFFIXES = {".c", ".h", ".S"}
SPDX_SUFFIXES = C_SUFFIXES | {".py", ".sh", ".mk", ".proto", ".service", ".socket", ".target",
                              ".catalog"}
INCLUDES = ["-I.", "-Ikho-agent", "-Ikernel/include", "-Ibuild/proto", "-Itests"]
FORBIDDEN = re.compile(r"(?<![\w.>])(strcpy|strcat|v?sprintf|ato[ilf]|system|gets|strtok)\s*\(")
HERE_ONLY = re.compile(r"(deb|snapshot)\.debian\.|/work[/]")  # a mirror, a path of one machine


def all_files():
    """Every text file of the tree."""
    for folder, dirs, names in os.walk("."):
        dirs[:] = sorted(d for d in dirs if d not in SKIPPED_DIRS)
        for name in sorted(names):
            path = Path(folder, name)
            try:
                path.read_text(encoding="utf-8")
            except UnicodeDecodeError:
                continue
            yield path


FILES = list(all_files())
C_FILES = [path for path in FILES if path.suffix in C_SUFFIXES]


def lines_of(path):
    """(number, line) of a file."""
    return enumerate(path.read_text(encoding="utf-8").splitlines(), 1)


def interpreter(path):
    """The words after #! of a script."""
    first = path.read_text(encoding="utf-8").partition("\n")[0]
    return first[2:].split() if first.startswith("#!") else []


def without_comments(text):
    """C without comments and strings, line for line."""
    pattern = re.compile(r'/\*.*?\*/|"(?:\\.|[^"\\\n])*"', re.S)
    return pattern.sub(lambda m: "\n" * m.group().count("\n") or '""', text)


def spdx():
    """Each source says its licence on its first line, or after #!."""
    for path in FILES:
        if path.suffix not in SPDX_SUFFIXES and not interpreter(path):
            continue
        head = path.read_text(encoding="utf-8").splitlines()[:2]
        if interpreter(path):
            head = head[1:]
        if not head or "SPDX-License-Identifier: " not in head[0]:
            yield f"{path}:1: no SPDX-License-Identifier"


def whitespace():
    """No spaces at line ends, a newline at the end of a file."""
    for path in FILES:
        if path.suffix in {".patch", ".log"}:
            continue
        text = path.read_text(encoding="utf-8")
        if text and not text.endswith("\n"):
            yield f"{path}: no newline at its end"
        for number, line in lines_of(path):
            if line != line.rstrip():
                yield f"{path}:{number}: space at the end of the line"


def columns():
    """Lines fit in 110 columns (aim for 100)."""
    for path in FILES:
        if path.suffix not in SPDX_SUFFIXES and not interpreter(path):
            continue
        for number, line in lines_of(path):
            width = len(line.expandtabs(8))
            if width > MAX_COLUMNS:
                yield f"{path}:{number}: {width} columns"


def calls():
    """No call that writes without a bound, hides an error or starts a shell."""
    for path in C_FILES:
        text = without_comments(path.read_text(encoding="utf-8"))
        for number, line in enumerate(text.splitlines(), 1):
            match = FORBIDDEN.search(line)
            if match:
                yield f"{path}:{number}: {match.group(1)}()"


def comments():
    """C comments are /* */, but for the kernel's SPDX line."""
    for path in C_FILES:
        text = without_comments(path.read_text(encoding="utf-8"))
        for number, line in enumerate(text.splitlines(), 1):
            if "//" in line and not (number == 1 and "SPDX" in line):
                yield f"{path}:{number}: comment by //"


def places():
    """No mirror's name and no path of one machine."""
    for path in FILES:
        for number, line in lines_of(path):
            if HERE_ONLY.search(line):
                yield f"{path}:{number}: names a mirror or a place of one machine"


def functions():
    """(file, line, name, length) of every C and Python function, by ctags."""
    paths = [str(path) for path in FILES if path.suffix in {".c", ".py"}]
    out = subprocess.run(["ctags", "--output-format=json", "--fields=+ne", "--kinds-C=f",
                          "--kinds-Python=fm", "-L", "-", "-f", "-"], input="\n".join(paths),
                         capture_output=True, text=True, check=True).stdout
    for tag in map(json.loads, out.splitlines()):
        if "end" in tag:
            yield tag["path"], tag["line"], tag["name"], tag["end"] - tag["line"] + 1


def sizes():
    """Functions of at most 100 lines, C files of at most 500."""
    found = list(functions())
    for path, line, name, length in found:
        if length > MAX_FUNCTION:
            yield f"{path}:{line}: {name}() has {length} lines"
    for path in C_FILES:
        length = path.read_text(encoding="utf-8").count("\n")
        if length > (MAX_TEST_FILE if path.parts[0] == "tests" else MAX_FILE):
            yield f"{path}: {length} lines"
    lengths = [length for path, *_, length in found if path.endswith(".c")]
    if lengths:
        print(f"      C functions: {len(lengths)}, median {statistics.median(lengths):.0f} lines, "
              f"longest {max(lengths)}")


def tool(*command):
    """Runs a checker; its output is the complaints if it fails."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return (done.stdout + done.stderr).splitlines() if done.returncode else []


def shell():
    """shellcheck on every shell script. SC2016: awk's and perl's $ are meant."""
    for path in FILES:
        words = interpreter(path)
        is_shell = path.suffix == ".sh" or (words and words[-1].rpartition("/")[2] in ("sh", "bash"))
        if is_shell:
            dialect = ["-s", "sh"] if words and "busybox" in words[0] else []
            yield from tool("shellcheck", "-x", "-e", "SC2016", *dialect, str(path))


def python():
    """Every Python file compiles."""
    for path in FILES:
        if path.suffix == ".py" or "python3" in interpreter(path):
            try:
                compile(path.read_text(encoding="utf-8"), str(path), "exec")
            except SyntaxError as error:
                yield f"{path}:{error.lineno}: {error.msg}"


def header(path):
    """Compiles one header alone."""
    flags = subprocess.run(["pkg-config", "--cflags", "libsystemd", "libprotobuf-c"],
                           capture_output=True, text=True, check=False).stdout.split()
    return tool("gcc", "-std=gnu11", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Werror", "-fsyntax-only",
                "-xc", *INCLUDES, *flags, "-include", str(path), "/dev/null")


def headers():
    """Each header of user space, and the UAPI header, compiles by itself."""
    paths = [path for path in FILES if path.suffix == ".h"
             and not path.name.endswith(".bpf.h")
             and (path.parts[0] in ("bpf", "kho-agent", "migrate", "tests") or "uapi" in path.parts)]
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for complaints in pool.map(header, paths):
            yield from complaints


# Not for us: cppcheck doesn't know cleanup attributes (what they free, or that
# &x sets x), nor symbols that mark the two ends of a section.
CPPCHECK_NOT = ["memleak", "resourceLeak", "comparePointers", "subtractPointers",
                "uninitvar", "arrayIndexThenCheck", "normalCheckLevelMaxBranches",
                "missingIncludeSystem", "missingInclude"]


def cppcheck():
    """cppcheck on what runs in user space, tests aside; programs for the kernel are another C."""
    paths = [folder for folder in ("bpf", "kho-agent", "migrate") if Path(folder).is_dir()]
    return tool("cppcheck", "--quiet", "--enable=warning,portability", "--inline-suppr", "--std=c11",
                f"-j{os.cpu_count()}", "--error-exitcode=1", *INCLUDES[:2],
                *[f"--suppress={name}" for name in CPPCHECK_NOT],
                *[f"-i{path}" for path in Path("bpf").glob("*.bpf.c")],
                "--template={file}:{line}: {message} [{id}]", *paths) if paths else []


def spelling():
    """codespell on sources and documents."""
    words = Path("mk/codespell.words")
    return tool("codespell", "-q", "3", *(["-I", str(words)] if words.exists() else []),
                *[str(path) for path in FILES if path.name != words.name])


def manuals():
    """The manual pages and the completion know every verb and every key."""
    verbs = re.findall(r'^\t{ "(\w+)", verb_\w+', Path("kho-agent/khoctl/main.c").read_text(), re.M)
    keys = re.findall(r"(\w+=)", "".join(
        line.split("|")[1] for line in Path("docs/configuration.md").read_text().splitlines()
        if line.startswith("| ")))
    for path, wanted in (("docs/man/khoctl.8", verbs), ("kho-agent/completion/khoctl.bash", verbs),
                         ("docs/man/kho-agent.conf.5", keys)):
        text = Path(path).read_text(encoding="utf-8")
        for word in wanted:
            if not re.search(rf"\b{word}", text):
                yield f"{path}: lacks {word}"


def runbook():
    """The runbook has every exit code of khoctl, and every error that has one of its own."""
    header = Path("kho-agent/khoctl/khoctl.h").read_text(encoding="utf-8")
    source = Path("kho-agent/khoctl/call.c").read_text(encoding="utf-8")
    text = Path("docs/runbook.md").read_text(encoding="utf-8")
    for word in re.findall(r"^\tKHO_EXIT_\w+ = (\d+)", header, re.M):
        if not re.search(rf"^\| {word} \|", text, re.M):
            yield f"docs/runbook.md: lacks exit code {word}"
    for word in re.findall(r"case (E[A-Z0-9]+):", source):
        if not re.search(rf"^\| [^|]*\b{word}\b", text, re.M):
            yield f"docs/runbook.md: lacks {word}"


def alerts():
    """Each alert links to its entry in the runbook, which has no others."""
    rules = Path("kho-agent/share/alerts.yml").read_text(encoding="utf-8")
    names = re.findall(r"- alert: (\w+)", rules)
    entries = re.findall(r"^### (Kho\w+)$", Path("docs/runbook.md").read_text(encoding="utf-8"), re.M)
    links = re.findall(r"runbook_url: \"file:///usr/share/doc/kho-agent/runbook.md#(\w+)\"", rules)
    for name in sorted(set(names) ^ set(entries)):
        yield f"docs/runbook.md: {name}: no entry, or an entry without an alert"
    if links != [name.lower() for name in names]:
        yield "kho-agent/share/alerts.yml: a link isn't to the alert's own entry"


def messages():
    """The table of messages and the catalog have the same ids in the same order, all explained."""
    table, catalog = Path("kho-agent/agent/messages.h"), Path("kho-agent/units/kho-agent.catalog")
    ids = re.findall(r'^\tX\(\w+, "([0-9a-f]*)", LOG_\w+\)', table.read_text(encoding="utf-8"), re.M)
    entries = re.split(r"^-- ", catalog.read_text(encoding="utf-8"), flags=re.M)[1:]
    if not ids or [entry.partition("\n")[0] for entry in entries] != ids:
        yield f"{catalog}: not the ids of {table}, in the same order"
    if len(set(ids)) != len(ids) or any(len(number) != 32 for number in ids):
        yield f"{table}: an id is there twice, or isn't one of 128 bits"
    for entry in entries:
        head, _, body = entry.partition("\n\n")
        if not re.search(r"^Subject: \S", head, re.M) or body.strip().count("\n\n") < 1:
            yield f"{catalog}: {head[:32]}: needs a subject, what it means, and what to do"


PATCH = re.compile(r"From .*?^Subject: \[PATCH (?P<nr>\d+)/(?P<of>\d+)\] (?P<subject>.*?)\n\n"
                   r"(?P<why>.*?)^Signed-off-by: [^\n]+ <\S+@\S+>\n---\n.*?^(?P<diff>diff --git .*)",
                   re.S | re.M)


def hunks(diff):
    """(line number, lines announced, lines there) of each hunk, old and new ones."""
    lines = diff.splitlines()
    for number, line in enumerate(lines, 1):
        match = re.match(r"@@ -\d+(?:,(\d+))? \+\d+(?:,(\d+))? @@", line)
        if match:
            want, got = [int(text or 1) for text in match.groups()], [0, 0]
            for text in lines[number:]:
                if text == "-- " or text[:1] not in (" ", "-", "+"):
                    break
                got[0] += text[0] != "+"
                got[1] += text[0] != "-"
            yield number, want, got


def patches():
    """Each patch to the kernel is a mail with a reason and a signature, in a series, and whole."""
    paths = sorted(Path("kernel/patches").glob("*"))
    for number, path in enumerate(paths, 1):
        match = PATCH.match(path.read_text(encoding="utf-8"))
        if not match or len(match["why"].split()) < 30:
            yield f"{path}: not a mail of git format-patch with a reason, Signed-off-by and a diff"
            continue
        if (int(match["nr"]), int(match["of"])) != (number, len(paths)):
            yield f"{path}: says that it's {match['nr']} of {match['of']}, not {number} of {len(paths)}"
        if not re.fullmatch(rf"{number:04}-[\w.-]+\.patch", path.name):
            yield f"{path}: no name of git format-patch"
        for line, want, got in hunks(match["diff"]):
            if want != got:
                yield f"{path}: line {line} of the diff announces {want} lines, not {got}"


RULES = [spdx, whitespace, columns, calls, comments, places, sizes, shell, python, headers,
         cppcheck, manuals, messages, runbook, alerts, patches, spelling]


def main():
    """Runs all rules, or those named."""
    results = Results("lint")
    chosen = sys.argv[1:]
    for rule in RULES:
        if chosen and rule.__name__ not in chosen:
            continue
        begin = time.monotonic()
        complaints = list(rule())
        results.add("fail" if complaints else "pass", rule.__name__, time.monotonic() - begin,
                    detail="\n".join(complaints))
    return results.finish()


sys.exit(main())
