# SPDX-License-Identifier: GPL-2.0-only
"""The dashboard against Grafana's own schema, by TypeScript's compiler.

Grafana gives its schema away as types (@grafana/schema), made of the same source as what it
checks a dashboard by. mk/npm.sh fetches it where there's an npm. The dashboard is written out as a
constant of those types: a field that isn't known, is missing or has another type is an error.

A constant's texts are no members of an enumeration for the compiler, so enumerations become unions
of their values, in a copy. What a panel's type has for options and fields is checked likewise.
"""

import json
import re
import shutil
import subprocess
from pathlib import Path

# what of a panel's is whose type
OPTIONS = """import type {{Options as Options{n}}} from './types/{kind}/types.gen';
export const options{n}: Partial<Options{n}> = {options};
"""
FIELDS = """import type {{FieldConfig as Fields{n}}} from './types/{kind}/types.gen';
export const fields{n}: Partial<Fields{n}> = {fields};
"""
# what Prometheus' annotations have besides
HEAD = """import type {Dashboard, AnnotationQuery} from './types/raw/dashboard/x/types.gen';
type Annotation = AnnotationQuery & {expr: string, titleFormat: string, useValueForTime: boolean};
type Board = Omit<Dashboard, 'annotations'> & {annotations: {list: Annotation[]}};
"""
SETTINGS = {
    "compilerOptions": {
        "strict": True, "noEmit": True, "skipLibCheck": True, "types": [],
        "module": "esnext", "moduleResolution": "node", "target": "es2020", "lib": ["es2020"],
        "baseUrl": ".", "paths": {"@grafana/schema": ["./types/index"]}},
    "files": ["board.ts"]}

TIME_LIMIT = 300


def _union(match):
    values = re.findall(r"=\s*(\"[^\"]*\"|-?\d+)", match[2])
    assert values, match[0]
    return f"export type {match[1]} = {' | '.join(values)};"


def _copy(package, folder):
    """The schema's types, with unions for enumerations."""
    shutil.copytree(package / "dist/types", folder / "types")
    changed = 0
    for path in folder.glob("types/**/*.d.ts"):
        text, number = re.subn(r"export (?:declare )?enum (\w+) \{(.*?)\n\}", _union,
                               path.read_text(), flags=re.DOTALL)
        if number:
            path.write_text(text)
            changed += number
    assert changed > 20, f"only {changed} enumerations in {package}"


def _source(board):
    parts = [HEAD, f"export const board: Board = {json.dumps(board, indent=1)};\n"]
    for n, panel in enumerate(board["panels"]):
        kind = f"raw/composable/{panel['type'].replace('-', '')}/panelcfg/x"
        if "options" in panel:
            parts.append(OPTIONS.format(n=n, kind=kind, options=json.dumps(panel["options"], indent=1)))
        fields = panel.get("fieldConfig", {}).get("defaults", {}).get("custom")
        if fields is not None:
            parts.append(FIELDS.format(n=n, kind=kind, fields=json.dumps(fields, indent=1)))
    return "".join(parts)


def _compile(folder, board):
    """What the compiler finds: none is good."""
    Path(folder, "board.ts").write_text(_source(board))
    result = subprocess.run(["tsc", "-p", "."], cwd=folder, capture_output=True, text=True,
                            check=False, timeout=TIME_LIMIT)
    return [line for line in result.stdout.splitlines() + result.stderr.splitlines() if "error" in line]


def check(board, package, folder):
    """The dashboard is what Grafana's schema wants; one that's damaged isn't."""
    folder = Path(folder)
    _copy(Path(package), folder)
    (folder / "tsconfig.json").write_text(json.dumps(SETTINGS))
    errors = _compile(folder, board)
    assert not errors, "\n".join(errors[:20])
    panel = next(panel for panel in board["panels"] if panel["type"] == "stat")
    for damage in ({"gridPos": {"x": "left"}}, {"options": {"colorMode": "sunny"}},
                   {"fieldConfig": {"defaults": {"thresholds": {"mode": "sunny", "steps": []}},
                                    "overrides": []}},
                   {"sunny": True}):
        bad = json.loads(json.dumps(board))
        bad["panels"][board["panels"].index(panel)].update(damage)
        assert _compile(folder, bad), f"nothing is wrong with {damage}"
