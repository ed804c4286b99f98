#!/usr/bin/env python3
"""Holds the sources to `daemon/docs/architecture.md`: who may include whom, the co_await rule, sizes, the top level."""
import ast
import os
import pathlib
import re
import subprocess
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
MODULES = {"base", "track", "net", "proof", "store", "callback", "api", "config", "observe", "engine"}

# What a module may include besides itself: whole modules, or single headers of one.
ALLOWED = {
    "base": set(),
    "track": {"base"},
    "net": {"base"},
    "proof": {"base", "net", "track/types.hpp", "track/http2_trust.hpp", "track/poll_connections.hpp",
              "track/poll_repeats.hpp"},
    "store": {"base", "net", "track/types.hpp", "track/queries.hpp", "track/event.hpp", "track/reconcile_source.hpp"},
    "callback": {"base", "net", "track/types.hpp"},
    "api": {"base", "net", "track/types.hpp", "track/queries.hpp", "track/merchant_line.hpp",
            "track/merchant_values.hpp", "track/reconcile_run.hpp", "track/reconcile_source.hpp"},
    "config": {"base"},
    "observe": {"base"},
    "engine": {"base", "net", "track", "config", "observe", "proof/proof_client.hpp", "store/cluster.hpp",
               "store/store.hpp", "callback/notifier.hpp", "api/backend.hpp"},
}
BEFORE_A_BLOCK = re.compile(r"(\)|\belse|\bdo|\btry|const|noexcept|>)\s*$")
WIDTH_SUFFIXES = {".cpp", ".hpp", ".in", ".py", ".sh", ".md", ".txt", ".cmake", ".scd", ".pml", ".service", ".socket",
                  ".conf", ".toml", ".yml", ".yaml", ".ts", ".mjs", ".cjs", ".php", ".sql", ".catalog", ".tmpfiles"}
WIDTH_NAMES = {".clang-tidy", ".clang-format"}
INCLUDE = re.compile(r'^\s*#\s*include\s+"([a-z_]+)/([^"]+)"', re.M)


def sources(*folders):
    for folder in folders:
        for path in sorted((ROOT / folder).rglob("*")):
            if path.suffix in {".cpp", ".hpp"}:
                yield path


def without_comments(text):
    """Blanks comments and string contents, keeps the lines."""
    pattern = re.compile(r'//[^\n]*|/\*.*?\*/|R"(\w*)\(.*?\)\1"|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.S)

    def blank(match):
        found = match.group(0)
        if found.startswith("/"):
            return re.sub(r"[^\n]", " ", found)
        return '""' + "\n" * found.count("\n")

    return pattern.sub(blank, text)


def statements(text):
    """(line, statement) for each statement, roughly: cut at ; { } outside of parentheses."""
    depth, start, line, start_line = 0, 0, 1, 1
    for at, char in enumerate(text):
        if char in "([":
            depth += 1
        elif char in ")]":
            depth = max(0, depth - 1)
        elif char == ";" or char == "}" and depth == 0 and "co_await" not in text[start:at] or \
                char == "{" and depth == 0 and BEFORE_A_BLOCK.search(text[start:at]):
            yield start_line, text[start:at + 1]
            start, start_line = at + 1, line
            if char == ";" and depth:
                depth = 0
        if char == "\n":
            line += 1
            if not text[start:at].strip():
                start_line = line


def co_await_faults(text):
    """Statements with co_await that hold what g++ 12.2 miscompiles."""
    for line, statement in statements(without_comments(text)):
        if "co_await" not in statement:
            continue
        behind = statement[statement.index("co_await"):]
        whole = statement
        if re.search(r"\[[^\[\]]*\]\s*(\([^()]*\)\s*)?(mutable\s*)?(->[^{]*)?\{", whole):
            yield line, "a lambda in a statement with co_await"
        elif re.search(r"\?[^:;]*:(?!:)", whole.replace("::", "  ")):
            yield line, "a conditional in a statement with co_await"
        elif re.search(r"[\w>]\s*\{[^}]*\}", behind) or re.search(r"[(,=]\s*\{[^}]*\}", whole):
            yield line, "a braced temporary in a statement with co_await"
        elif re.search(r"[\w>]\s*\{[^}]*co_await", whole, re.S):
            yield line, "an aggregate built around a co_await"

def multi_line_strings(text):
    """The lines of strings over several lines that are no docstrings: texts in other languages, such as SQL."""
    tree = ast.parse(text)
    docstrings = {id(node.body[0].value) for node in ast.walk(tree)
                  if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)) and node.body
                  and isinstance(node.body[0], ast.Expr)}
    lines = text.splitlines()
    return {number for node in ast.walk(tree) if id(node) not in docstrings
            and (isinstance(node, ast.Constant) and isinstance(node.value, str) or isinstance(node, ast.JoinedStr))
            and node.end_lineno > node.lineno and '"""' in lines[node.lineno - 1]
            for number in range(node.lineno, node.end_lineno + 1)}


def wide_lines(path):
    """(number, line) of each line over 120 columns. Messages of shell scripts, strings over several lines in Python,
    and tables and links in Markdown may be wider: they cannot be broken."""
    text = path.read_text()
    exempt = multi_line_strings(text) if path.suffix == ".py" and max(map(len, text.splitlines() or [""])) > 120 else ()
    for number, line in enumerate(text.splitlines(), 1):
        may_be_wide = (number in exempt or path.suffix == ".md" and (line.startswith("|") or "](" in line)
                       or re.match(r"\s*(echo|fail|say) ", line)
                       or path.suffix == ".scd" and line.startswith((":-", "|")))
        if len(line) > 120 and not may_be_wide:
            yield number, line


def width_checked():
    """What people write, but for the example shop's page and the shells' completions; not recorded results."""
    listed = subprocess.run(["git", "-c", f"safe.directory={ROOT}", "-C", str(ROOT), "ls-files"], capture_output=True,
                            text=True, check=True).stdout.splitlines()
    for name in listed:
        path = ROOT / name
        if not path.is_file() or name.startswith(("tests/fuzz/corpus/", "tests/bench/results/")):
            continue
        if path.suffix in WIDTH_SUFFIXES or path.name in WIDTH_NAMES:
            yield path
        elif not path.suffix and path.read_bytes()[:2] == b"#!":
            yield path


class SourceRules(unittest.TestCase):
    def test_modules_include_only_what_the_table_allows(self):
        faults = []
        for path in sources("lib"):
            module = path.relative_to(ROOT / "lib").parts[0]
            for other, header in INCLUDE.findall(path.read_text()):
                if other not in MODULES or other == module:
                    continue
                if other not in ALLOWED[module] and f"{other}/{header}" not in ALLOWED[module]:
                    faults.append(f"{path.relative_to(ROOT)} includes {other}/{header}")
        self.assertEqual(faults, [])

    def test_the_core_knows_no_io(self):
        forbidden = re.compile(r"#\s*include\s*<(boost/(asio|beast)|sqlite3|spdlog|thread|mutex|fstream|sys/|unistd)|"
                               r"(system_clock|steady_clock)::now|random_device")
        faults = [str(path.relative_to(ROOT)) for path in sources("lib/track", "lib/base")
                  if forbidden.search(path.read_text())]
        self.assertEqual(faults, [])

    def test_the_engine_knows_no_asio_beast_or_sqlite(self):
        forbidden = re.compile(r"#\s*include\s*<(boost/(asio|beast)|sqlite3|thread|mutex)")
        faults = [str(path.relative_to(ROOT)) for path in sources("lib/engine") if forbidden.search(path.read_text())]
        self.assertEqual(faults, [])

    def test_statements_with_co_await_hold_only_plain_calls(self):
        faults = []
        for path in sources("lib", "daemon", "tests"):
            faults += [f"{path.relative_to(ROOT)}:{line}: {why}" for line, why in co_await_faults(path.read_text())]
        self.assertEqual(faults, [])

    def test_the_co_await_rule_sees_what_is_miscompiled(self):
        for bad in ("co_await f([s]{ return s; });", "auto x = co_await f(a ? b() : c());",
                    "co_await f(options{1, 2});",
                    "Agg a{co_await x(), 1};", "co_await f({1, 2});",
                    "auto v = co_await spawn(ex, [t]() -> task<int> { co_return 1; }, u);"):
            self.assertTrue(list(co_await_faults(bad)), bad)
        for good in ("co_await f(a, std::move(b), 5, T(5));",
                     "auto [e, n] = co_await s.async_read_some(buffer, token);",
                     "if (co_await f(a)) {", "while ((co_await next(x)).has_value()) {"):
            self.assertFalse(list(co_await_faults(good)), good)

    def test_no_file_is_over_500_lines_and_most_are_short(self):
        sizes = {path: len(path.read_text().splitlines()) for path in sources("lib", "daemon", "tests")}
        self.assertEqual([str(path) for path, lines in sizes.items() if lines > 500], [])
        own = sorted(lines for path, lines in sizes.items() if "tests" not in path.relative_to(ROOT).parts)
        self.assertLessEqual(own[len(own) // 2], 120, "the median of the files that are not tests")
        self.assertLessEqual(own[len(own) * 9 // 10], 300, "nine of ten files that are not tests")

    def test_no_line_is_over_120_columns(self):
        if not (ROOT / ".git").exists():
            self.skipTest("not a git checkout")
        faults = [f"{path.relative_to(ROOT)}:{number}" for path in width_checked() for number, line in wide_lines(path)]
        self.assertEqual(faults, [])

    def test_each_module_has_a_short_readme(self):
        for module in sorted(MODULES):
            lines = (ROOT / "lib" / module / "README.md").read_text().splitlines()
            self.assertLessEqual(len(lines), 30, module)

    def test_the_top_level_is_the_designs(self):
        allowed = {"daemon", "lib", "systemd", "tests", "conf", "CMakeLists.txt", "README.md", "CMakePresets.json",
                   "LICENSE", "CHANGELOG.md"}
        if not (ROOT / ".git").exists():
            self.skipTest("not a git checkout")
        listed = subprocess.run(["git", "-c", f"safe.directory={ROOT}", "-C", str(ROOT), "ls-files"],
                                capture_output=True, text=True, check=True).stdout
        names = {line.split("/")[0] for line in listed.splitlines()}
        self.assertEqual({name for name in names if not name.startswith(".")} - allowed, set())

    def test_each_module_opens_its_own_namespace_alone(self):
        # `base` is the root, whose names the others use unqualified.
        faults = []
        for path in sources("lib"):
            module = path.relative_to(ROOT / "lib").parts[0]
            own = "prooftrack" if module == "base" else f"prooftrack::{module}"
            # A type of another module may be declared in front, in that module's namespace.
            declared = r"^namespace prooftrack(::\w+)? \{\n(?:(?:class|struct|enum class) [\w :]+;.*\n)+\}"
            text = re.sub(declared, "", path.read_text(), flags=re.M)
            opened = set(re.findall(r"^namespace (prooftrack[\w:]*) \{", text, re.M))
            if opened - {own, f"{own}::exit_status"}:
                faults.append(f"{path.relative_to(ROOT)}: {', '.join(sorted(opened))}")
        self.assertEqual(faults, [])

    def test_a_type_has_its_name_once_in_a_module(self):
        # Two definitions of one name in one namespace are linked into one, silently.
        declared = re.compile(r"^(?:(?:class|struct|enum class)\s+(\w+)[^;{(<]*\{"
                              r"|inline constexpr [\w:<>, ]+ (\w+)\b)", re.M)
        places = {}
        for path in sources("lib"):
            if path.suffix == ".hpp":
                module = path.relative_to(ROOT / "lib").parts[0]
                for found in declared.finditer(path.read_text()):
                    places.setdefault((module, found[1] or found[2]), set()).add(path.name)
        self.assertEqual({name: files for name, files in places.items() if len(files) > 1}, {})

    def test_json_strings_are_written_by_the_one_writer(self):
        # A value's quotes opened by hand (`"name":"` or `"name":"{}"`) are a place where somebody's text goes in
        # unescaped. The log escapes by itself, and more than JSON asks for: what a terminal must not see. The other two
        # quote for people and for TOML.
        no_json = {"lib/observe/render.cpp", "lib/config/key_table.cpp", "daemon/prooftrackctl/explanation.cpp"}
        literal = re.compile(r'R"(\w*)\((?P<raw>(?:.|\n)*?)\)\1"|"(?P<plain>(?:\\.|[^"\\\n])*)"')
        faults = []
        for path in sources("lib", "daemon"):
            name = str(path.relative_to(ROOT))
            text = path.read_text()
            for found in [] if name in no_json else literal.finditer(text):
                content = found["raw"] if found["raw"] is not None else found["plain"].replace('\\"', '"')
                if re.search(r'":\s*"(\{|$)|^\s*"\{\}"\s*$', content):
                    faults.append(f"{name}:{text.count(chr(10), 0, found.start()) + 1}: {content}")
        self.assertEqual(faults, [], "append_json_string writes a string of JSON")

    def test_sql_is_in_raw_strings(self):
        plain = re.compile(r'(?<!\w)"(SELECT|INSERT|UPDATE|DELETE|CREATE|ALTER|DROP|PRAGMA|VACUUM|BEGIN|COMMIT|'
                           r'ROLLBACK|SAVEPOINT|RELEASE)\b(?! \{\} is)')
        faults = [f"{path.relative_to(ROOT)}:{number}" for path in sources("lib/store", "tests/unit/store")
                  for number, line in enumerate(path.read_text().splitlines(), 1) if plain.search(line)]
        self.assertEqual(faults, [], "statement.hpp says how SQL is written")

    def test_nothing_is_spawned_detached(self):
        faults = []
        for path in sources("lib", "daemon"):
            text = without_comments(path.read_text())
            if re.search(r"co_spawn\([^;]*\bdetached\b", text, re.S):
                faults.append(str(path.relative_to(ROOT)))
        self.assertEqual(faults, [])


if __name__ == "__main__":
    os.chdir(ROOT)
    unittest.main()
