"""How many pending are held at which distance, as SVG for light and dark pages: a bar for each client, grouped by the
distance."""

import re

ROW, GROUP, LEFT, WIDE = 20, 30, 280, 350
LEFT_OUT = "h2load"  # a scale, and no way to hold transactions


def bars_of(figures):
    """(distance, client, pending held) in the order of the figures."""
    for what, one in figures.items():
        client, distance = re.fullmatch(r"(.*), (\d+ ms)", what).groups()
        if not client.startswith(LEFT_OUT) and one.get("held"):
            yield distance, client, one["held"]["median"]


def caption(section):
    figures = section["figures"]
    foreign = max((one["foreign"]["median"] for one in figures.values() if one.get("foreign")), default=0)
    wanted = round(max(one["wanted_per_second"]["median"] for one in figures.values()) * 7.5, -2)
    crowded = f"; others used {foreign:.0%} of the machine" if foreign > 0.1 else ""
    return f"Held of {wanted:,.0f} pending, asked every 5 to 10 s (longer is better{crowded})", wanted


def picture(section):
    title, wanted = caption(section)
    bars = list(bars_of(section["figures"]))
    groups = list(dict.fromkeys(distance for distance, _, _ in bars))
    height = 34 + GROUP * len(groups) + ROW * len(bars) + 8
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 720 {height}" font-family="sans-serif" '
           f'font-size="13" role="img" aria-label="Pending held in the default band, by the distance of Proof">',
           '<style>text{fill:#333}rect{fill:#8aa4bf}.own{fill:#1f7a4d}'
           '@media(prefers-color-scheme:dark){text{fill:#ddd}}</style>',
           f'<text x="8" y="20" font-weight="bold">{title}</text>']
    y = 34
    for group in groups:
        out.append(f'<text x="8" y="{y + 18}" font-weight="bold">a reply takes {group}</text>')
        y += GROUP - 4
        for client, held in ((client, held) for distance, client, held in bars if distance == group):
            own = ' class="own"' if client.startswith("prooftrackd") else ""
            width = max(1, WIDE * held / wanted)
            out.append(f'<text x="{LEFT - 8}" y="{y + 13}" text-anchor="end">{client}</text>'
                       f'<rect{own} x="{LEFT}" y="{y}" width="{width:.0f}" height="{ROW - 4}" rx="2"/>'
                       f'<text x="{LEFT + 8 + width:.0f}" y="{y + 13}">{held:,.0f}</text>')
            y += ROW
        y += 4
    return "\n".join(out) + "\n</svg>\n"
