"""A configuration as TOML text."""

import json


def toml_value(value):
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(toml_value(v) for v in value) + "]"
    return str(value) if isinstance(value, (int, float)) else json.dumps(value)


def toml_text(config):
    """TOML of {section: {key: value}} where a list of tables is [[section]] and top-level plain values come first."""
    lines = [f"{key} = {toml_value(value)}" for key, value in config.items() if not isinstance(value, (dict, list))]
    for section, content in config.items():
        for table in content if isinstance(content, list) else [content] if isinstance(content, dict) else []:
            lines.append(f"[[{section}]]" if isinstance(content, list) else f"[{section}]")
            lines += [f"{key} = {toml_value(value)}" for key, value in table.items()]
    return "\n".join(lines) + "\n"
