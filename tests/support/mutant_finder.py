"""Finds what can be changed in a C++ source, by clang's own syntax tree, and writes a source that holds all the
changes.

A mutant is one small change: another operator, another constant, a condition the other way round, a statement left out.
All mutants of a source are compiled in at once (mutant schemata); a number in the environment chooses one at run time.
What this changes:
  relational operators   < into <= and >=, == into != …        arithmetic   + and -, += and -=
  logical operators      && into ||, !x into x                 constants    n into n + 1, true into false
  std::min and std::max  one into the other                    conditions   of `if` and `?:`, negated
  statements             a call, an assignment, and a `return;`, `continue;` or `break;` of an `if`: left out
What it leaves alone: comments, strings, macros, template arguments, static_asserts, case labels, enumerators, default
arguments and default values of members, the range of a range-based `for`.
"""
import collections
import json
import re

RELATIONAL = {"<": ("less", "<=", ">="), "<=": ("less_equal", "<", ">"), ">": ("greater", ">=", "<="),
              ">=": ("greater_equal", ">", "<"), "==": ("equal", "!="), "!=": ("not_equal", "==")}
ARITHMETIC = {"+": ("plus", "-"), "-": ("minus", "+"), "+=": ("add_to", "-="), "-=": ("take_from", "+=")}
LOGICAL = {"&&": "||", "||": "&&"}
LEAF_KINDS = {"StaticAssertDecl", "EnumDecl", "TemplateArgument", "ParmVarDecl", "FieldDecl", "CXXDefaultArgExpr",
              "CXXDefaultInitExpr"}
LEFT_OUT = {"CallExpr", "CXXMemberCallExpr", "CompoundAssignOperator", "CXXOperatorCallExpr"}
WRAPPERS = {"ExprWithCleanups", "ImplicitCastExpr", "ParenExpr", "MaterializeTemporaryExpr", "CXXBindTemporaryExpr",
            "ConstantExpr", "FullExpr"}
ON = "::prooftrack_mutant::on"

# What the compiled changes call. The mutant of the environment is the one that is on; PROOFTRACK_MUTANTS_REACHED names
# a file for the numbers of all that were reached.
HEADER = """#pragma once
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <initializer_list>
namespace prooftrack_mutant {
inline int chosen = -1; // not initialised at run time: constants of other sources ask before that
inline unsigned char* seen = nullptr;
constexpr int most = 100000;
inline void write_reached() {
    std::FILE* out = std::fopen(std::getenv("PROOFTRACK_MUTANTS_REACHED"), "w");
    if (!out) return;
    for (int i = 0; i < most; ++i) {
        if (seen[i]) std::fprintf(out, "%d\\n", i);
    }
    std::fclose(out);
}
inline void begin() {
    const char* number = std::getenv("PROOFTRACK_MUTANT");
    chosen = number ? std::atoi(number) : 0;
    if (!std::getenv("PROOFTRACK_MUTANTS_REACHED")) return;
    seen = static_cast<unsigned char*>(std::calloc(most, 1));
    std::atexit(write_reached);
}
inline bool on(int number) {
    if (chosen < 0) begin();
    if (seen) seen[number] = 1;
    return chosen == number;
}
""" + "".join(f"""template <class A, class B>
inline bool {name}(int edge, int opposite, const A& a, const B& b) {{
    const bool is_edge = on(edge);
    if (on(opposite)) return a {other[1]} b;
    return is_edge ? a {other[0]} b : a {mark} b;
}}
""" for mark, (name, *other) in RELATIONAL.items() if len(other) == 2) + "".join(f"""template <class A, class B>
inline bool {name}(int number, const A& a, const B& b) {{
    return on(number) ? a {other[0]} b : a {mark} b;
}}
""" for mark, (name, *other) in RELATIONAL.items() if len(other) == 1) + "".join(f"""template <class A, class B>
inline auto {name}(int number, const A& a, const B& b) {{
    return on(number) ? a {other} b : a {mark} b;
}}
""" for mark, (name, other) in ARITHMETIC.items() if "=" not in mark) + "".join(f"""template <class A, class B>
inline A& {name}(int number, A& a, const B& b) {{
    return on(number) ? a {other} b : a {mark} b;
}}
""" for mark, (name, other) in ARITHMETIC.items() if "=" in mark) + """template <int Number>
struct extreme {
    template <class T> static const T& min(const T& a, const T& b) { return on(Number) ? std::max(a, b) : std::min(a, b); }
    template <class T> static const T& max(const T& a, const T& b) { return on(Number) ? std::min(a, b) : std::max(a, b); }
    template <class T> static T min(std::initializer_list<T> of) { return on(Number) ? std::max(of) : std::min(of); }
    template <class T> static T max(std::initializer_list<T> of) { return on(Number) ? std::min(of) : std::max(of); }
};
} // namespace prooftrack_mutant
"""


class Mutant:
    """One change of one file: what it reads like, and its number once it has one."""

    def __init__(self, file, text, start, end, new):
        self.file = file
        self.start = start
        self.line = text.count("\n", 0, start) + 1
        first = text.rfind("\n", 0, start) + 1
        last = text.find("\n", end)
        last = len(text) if last < 0 else last
        self.last_line = text.count("\n", 0, end) + 1
        self.before = " ".join(text[first:last].split())
        self.after = " ".join((text[first:start] + new + text[end:last]).split())
        self.number = 0
        self.key = ""

    def __str__(self):
        return f"{self.file}:{self.line}\n    - {self.before}\n    + {self.after}"


class Site:
    """A place that is rewritten for its mutants: `edits(numbers)` gives what goes before, after and in the place of."""

    def __init__(self, begin, end, mutants, edits):
        self.begin, self.end, self.mutants, self.edits = begin, end, mutants, edits


def parse_trees(dump):
    """The trees in what clang prints with -ast-dump=json, each place with its file."""
    decoder = json.JSONDecoder()
    at = 0
    while at < len(dump):
        if dump[at].isspace():
            at += 1
            continue
        tree, at = decoder.raw_decode(dump, at)
        _name_files(tree)
        yield tree


def _name_files(tree):
    """clang names a file only where it differs from the one before, in the order of its output."""
    file = ""
    stack = [tree]
    while stack:
        value = stack.pop()
        if isinstance(value, dict):
            if "offset" in value:
                file = value.setdefault("file", file)
            stack.extend(reversed([one for one in value.values() if isinstance(one, (dict, list))]))
        else:
            stack.extend(reversed([one for one in value if isinstance(one, (dict, list))]))


class Finder:
    """Gathers the sites of one file out of syntax trees."""

    def __init__(self, file, text, skipped_functions=()):
        self.file = file
        self.text = text.encode()  # clang counts bytes
        self.skipped_functions = set(skipped_functions)
        self.sites = {}
        # of each `constexpr` that has to go: its place, what stands there instead, where its thing ends
        self.constants = {}

    def find(self, tree):
        self._visit(tree, None, [])

    # Places.

    def _range(self, node):
        """(begin, end) in this file; None for what a macro made or stands elsewhere."""
        place = node.get("range", {})
        begin, end = place.get("begin", {}), place.get("end", {})
        if "offset" not in begin or "offset" not in end or begin["file"] != self.file or end["file"] != self.file:
            return None
        return begin["offset"], end["offset"] + end["tokLen"]

    def _read(self, begin, end):
        return self.text[begin:end].decode()

    def _mark_between(self, left, right):
        """The operator between two operands: (begin, end, text)."""
        between = re.sub(r"//[^\n]*|/\*.*?\*/", lambda found: " " * len(found.group(0).encode()),
                         self._read(left[1], right[0]), flags=re.S)
        mark = between.strip()
        begin = left[1] + len(between) - len(between.lstrip())
        return begin, begin + len(mark), mark

    def _mutant(self, begin, end, new):
        text = self.text.decode()
        to_char = lambda at: len(self.text[:at].decode())
        return Mutant(self.file, text, to_char(begin), to_char(end), new)

    def _add(self, kind, begin, end, mutants, edits):
        if (begin, end, kind) not in self.sites:
            self.sites[begin, end, kind] = Site(begin, end, mutants, edits)
            return True
        return False

    # The walk. `path` holds the kinds of `if` and `switch` and loops around, the nearest last.

    def _visit(self, node, constant, path):
        kind = node.get("kind")
        if not kind or kind in LEAF_KINDS or node.get("isImplicit"):
            return
        if node.get("name") in self.skipped_functions or node.get("explicitlyDefaulted"):
            return
        inner = node.get("inner", [])
        if node.get("constexpr") and kind in {"VarDecl", "FunctionDecl", "CXXMethodDecl"}:
            constant = self._constexpr_of(node)
        before = len(self.sites)
        if kind == "IfStmt":
            inner = self._if(node, inner)
            path = path + ["if"]
        elif kind == "SwitchStmt":
            path = path + ["switch"]
        elif kind == "CaseStmt":
            inner = inner[-1:]
        elif kind in {"ForStmt", "WhileStmt", "DoStmt"}:
            path = path + ["loop"]
        elif kind == "CXXForRangeStmt":
            inner = [one for one in (inner[1], inner[-1]) if one.get("kind")]
            path = path + ["loop"]
        elif kind == "LambdaExpr":
            path = []
        elif kind == "ConditionalOperator":
            self._negate(inner[0])
        elif kind == "CXXRewrittenBinaryOperator":
            inner = self._rewritten(node)
        elif kind == "CXXOperatorCallExpr" and len(inner) == 3:
            self._binary(node, inner[1], inner[2])
        elif kind in {"BinaryOperator", "CompoundAssignOperator"} and len(inner) == 2:
            self._binary(node, inner[0], inner[1])
        elif kind == "UnaryOperator" and node.get("opcode") == "!":
            self._not(node)
        elif kind in {"IntegerLiteral", "FloatingLiteral", "CXXBoolLiteralExpr"}:
            self._literal(node, kind)
        elif kind == "CallExpr" and inner:
            self._extreme(inner[0])
        for at, child in enumerate(inner):
            if self._is_statement_place(kind, node, at, inner):
                self._leave_out(child, path)
            self._visit(child, constant, path)
        if constant and len(self.sites) > before:
            self.constants[constant[0]] = constant

    def _constexpr_of(self, node):
        """(begin, end, text, end of the whole): a `constexpr` that a changed constant or function cannot keep."""
        place = self._range(node)
        name = node.get("loc", {}).get("offset")
        if not place or name is None:
            return None
        found = re.search(rb"\bconstexpr\b", self.text[place[0]:name])
        if not found:
            return None
        is_function = node["kind"] != "VarDecl"
        is_member = b"static" in self.text[place[0]:place[0] + found.start()] or node.get("storageClass") == "static"
        new = "inline" if is_function else "inline const" if is_member else "const"
        return place[0] + found.start(), place[0] + found.end(), new, place[1]

    @staticmethod
    def _strip(node):
        while node.get("kind") in WRAPPERS and node.get("inner"):
            node = node["inner"][0]
        return node

    def _is_statement_place(self, kind, node, at, inner):
        if kind in {"CompoundStmt", "DefaultStmt"}:
            return True
        if kind == "CaseStmt":
            return at == len(inner) - 1
        if kind == "IfStmt":  # what `_if` left: condition first
            return inner[at].get("kind") and at >= len(inner) - (2 if node.get("hasElse") else 1)
        return kind in {"ForStmt", "WhileStmt", "CXXForRangeStmt"} and at == len(inner) - 1

    def _if(self, node, inner):
        if node.get("isConstexpr"):
            return [one for one in inner if one.get("kind") != "ConstantExpr"]
        branches = 2 if node.get("hasElse") else 1
        if not node.get("hasVar"):
            self._negate(inner[-branches - 1])
        return inner

    # The kinds of change.

    def _negate(self, condition):
        """Unless another change does just that."""
        bare = self._strip(condition)
        kind = bare.get("kind")
        if kind == "CXXRewrittenBinaryOperator" or kind == "UnaryOperator" and bare.get("opcode") == "!":
            return
        if kind == "BinaryOperator" and bare.get("opcode") in RELATIONAL:
            return
        if kind == "CXXOperatorCallExpr" and len(bare["inner"]) == 3:
            return
        place = self._range(condition)
        if not place or kind == "CXXBoolLiteralExpr":
            return
        mutant = self._mutant(*place, f"!({self._read(*place)})")
        self._add("negate", *place, [mutant],
                  lambda n: ("(static_cast<bool>(", f") != {ON}({n[0]}))", []))

    def _rewritten(self, node):
        """`a != b` by ==, `a < b` by <=>: the operands as they were written."""
        call = node
        while (call.get("kind") != "CXXOperatorCallExpr"
               or "<" in self._callee(call) and "<=>" not in self._callee(call)):
            following = [one for one in call.get("inner",
                                                 []) if one.get("kind") not in {"DeclRefExpr", "IntegerLiteral"}]
            if not following:
                return []
            if call.get("kind") == "CXXOperatorCallExpr":  # (a <=> b) < 0: one of its operands
                following = [one for one in call["inner"][1:] if self._strip(one).get("kind") == "CXXOperatorCallExpr"]
                if not following:
                    return []
            call = following[0]
        operands = [one for one in call["inner"][1:3] if self._range(one)]
        if len(operands) != 2:
            return []
        operands.sort(key=lambda one: self._range(one)[0])
        self._binary(node, *operands)
        return operands

    @staticmethod
    def _callee(call):
        node = call["inner"][0]
        while node.get("inner"):
            node = node["inner"][0]
        return node.get("referencedDecl", {}).get("name", "")

    def _binary(self, node, left, right):
        whole, left_place, right_place = self._range(node), self._range(left), self._range(right)
        if not whole or not left_place or not right_place or left_place[1] > right_place[0]:
            return
        begin, end, mark = self._mark_between(left_place, right_place)
        if mark in RELATIONAL:
            name, *others = RELATIONAL[mark]
        elif mark in ARITHMETIC and self._is_number(node, left, right):
            name, *others = ARITHMETIC[mark]
        elif mark in LOGICAL:
            mutant = self._mutant(*whole, self._read_logical(left_place, LOGICAL[mark], right_place))
            self._add("logical", *whole, [mutant], lambda n: (
                "(((static_cast<bool>(", f") != {ON}({n[0]}))) != {ON}({n[0]}))",
                [(begin, end, f") != {ON}({n[0]})) {mark} (static_cast<bool>(")]))
            return
        else:
            return
        mutants = [self._mutant(begin, end, other) for other in others]
        self._add("binary", *whole, mutants, lambda n: (
            f"::prooftrack_mutant::{name}({', '.join(map(str, n))}, (", "))", [(begin, end, "), (")]))

    def _read_logical(self, left, mark, right):
        """With the parentheses that the other operator needs to join the same operands."""
        operands = [self._read(*place) for place in (left, right)]
        if mark == "&&":
            operands = [f"({text})" if re.search(r"&&|\|\|", text) else text for text in operands]
        text = f" {mark} ".join(operands)
        return f"({text})" if mark == "||" else text

    @staticmethod
    def _type(node):
        kind = node.get("type", {})
        return kind.get("desugaredQualType") or kind.get("qualType", "")

    def _is_number(self, node, left, right):
        """Numbers, durations and points in time; no strings and places, and no difference of two points in time."""
        texts = [self._type(one) for one in (node, left, right)]
        if "time_point" in texts[1] and "time_point" in texts[2] or any("iterator" in text for text in texts):
            return False
        number = r"(const )?(unsigned |signed )?(char|short|int|long|long long|float|double|unsigned)( int)?"
        return all(re.search(r"duration|time_point", text) or re.fullmatch(number, text) for text in texts)

    def _not(self, node):
        place = self._range(node)
        if not place or self.text[place[0]:place[0] + 1] != b"!":
            return
        mutant = self._mutant(place[0], place[0] + 1, "")
        self._add("not", *place, [mutant], lambda n: (
            "", "))", [(place[0], place[0] + 1, f"({ON}({n[0]}) == static_cast<bool>(")]))

    def _literal(self, node, kind):
        place = self._range(node)
        if not place:
            return
        text = self._read(*place)
        if kind == "CXXBoolLiteralExpr":
            if text not in {"true", "false"}:
                return
            mutant = self._mutant(*place, "false" if text == "true" else "true")
            self._add("literal", *place, [mutant], lambda n: (
                "", "", [(*place, f"({'!' if text == 'true' else ''}{ON}({n[0]}))")]))
            return
        found = re.fullmatch(r"(0[xX][0-9a-fA-F']+|[0-9][0-9']*|[0-9']*\.[0-9']+|[0-9']+\.[0-9']*)([uUlLzZfF]*)", text)
        if not found:
            return
        digits = found[1].replace("'", "")
        if kind == "IntegerLiteral":
            value = str(int(digits, 16 if digits[:2] in {"0x", "0X"} else 8 if len(digits) > 1
                            and digits[0] == "0" else 10) + 1)
        else:
            value = repr(float(digits) + 1)
        new = value + found[2]
        mutant = self._mutant(*place, new)
        self._add("literal", *place, [mutant], lambda n: (f"({ON}({n[0]}) ? {new} : ", ")", []))

    def _extreme(self, callee):
        place = self._range(callee)
        if not place:
            return
        found = re.match(rb"std::(min|max)\b", self.text[place[0]:place[1]])
        if not found:
            return
        name = found[1].decode()
        end = place[0] + found.end()
        mutant = self._mutant(place[0], end, "std::max" if name == "min" else "std::min")
        self._add("extreme", place[0], end, [mutant], lambda n: (
            "", "", [(place[0], end, f"::prooftrack_mutant::extreme<{n[0]}>::{name}")]))

    def _leave_out(self, node, path):
        place = self._range(node)
        if not place:
            return
        bare = self._strip(node)
        kind = bare.get("kind")
        is_jump = kind in {"ContinueStmt", "BreakStmt"} or kind == "ReturnStmt" and not bare.get("inner")
        if is_jump and path[-1:] != ["if"]:
            return
        is_assignment = kind == "BinaryOperator" and bare.get("opcode") == "=" or \
            kind == "UnaryOperator" and bare.get("opcode") in {"++", "--"}
        if not is_jump and not is_assignment and kind not in LEFT_OUT:
            return
        found = re.compile(rb"\s*;").match(self.text, place[1])
        if not found:
            return
        mutant = self._mutant(place[0], found.end(), ";")
        self._add("leave out", *place, [mutant], lambda n: (f"if ({ON}({n[0]})) {{}} else ", "", []))


def mutants_of(finder):
    """All mutants of the file in the order of their places, with keys that other changes in the file do not alter."""
    found = [mutant for site in finder.sites.values() for mutant in site.mutants]
    found.sort(key=lambda one: (one.start, one.after))
    count = collections.Counter()
    for mutant in found:
        text = (mutant.file, mutant.before, mutant.after)
        mutant.key = "|".join([*text, str(count[text])])
        count[text] += 1
    return found


def instrument(finder, include):
    """The file with all mutants that have a number; the same lines behind an #include."""
    openings, closings, replaced = collections.defaultdict(list), collections.defaultdict(list), {}
    used = False
    for order, site in enumerate(finder.sites.values()):
        if not all(mutant.number for mutant in site.mutants):
            continue
        used = True
        before, after, edits = site.edits([mutant.number for mutant in site.mutants])
        openings[site.begin].append((-site.end, order, before))
        closings[site.end].append((-site.begin, -order, after))
        for begin, end, new in edits:
            replaced[begin] = (end, new)
    if not used:
        return finder.text.decode()
    for begin, end, new, whole in finder.constants.values():
        if any(begin <= place < whole for place in list(openings)):
            replaced[begin] = (end, new)
    places = sorted({0, len(finder.text), *openings, *closings, *replaced, *(end for end, _ in replaced.values())})
    out = []
    skipped_until = 0
    for at, place in enumerate(places):
        out += [text for *_, text in sorted(closings[place])]
        out += [text for *_, text in sorted(openings[place])]
        if place in replaced:
            skipped_until, new = replaced[place]
            out.append(new)
        following = places[at + 1] if at + 1 < len(places) else len(finder.text)
        if place >= skipped_until:
            out.append(finder.text[place:following].decode())
    return f'#include "{include}"\n#line 1\n' + "".join(out)
