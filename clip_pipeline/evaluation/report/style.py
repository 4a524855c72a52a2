"""How the report's page looks."""

from __future__ import annotations

STYLE = """
:root { color-scheme: light dark; --paper: #f6f7f9; --card: #fff; --ink: #22272e; --quiet: #66707c; --line: #e1e5ea;
  --blue: #1f5fa8; --band: #1f5fa840; --right: #257a4b; --wrong: #b93c25; }
@media (prefers-color-scheme: dark) { :root { --paper: #111418; --card: #1a1a1a; --ink: #e6e9ed; --quiet: #98a2ae;
  --line: #31373f; --blue: #76aeea; --band: #76aeea50; --right: #63c08b; --wrong: #ef8b75; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink); font: 16px/1.5 system-ui, "Segoe UI", Roboto, sans-serif; }
main { max-width: 60rem; margin: 0 auto; padding: 1.5rem 1rem 3rem; }
h1 { font-size: 1.7rem; line-height: 1.2; margin: .2rem 0 1rem; }
h2 { font-size: 1.2rem; margin: 0 0 .8rem; }
h3 { font-size: 1rem; margin: 1.2rem 0 .4rem; }
section { background: var(--card); border: 1px solid var(--line); border-radius: 12px; padding: 1.1rem 1.2rem; margin: 1rem 0; }
.quiet, footer { color: var(--quiet); font-size: .86rem; }
.facts { display: flex; flex-wrap: wrap; gap: .4rem 1.8rem; margin: 0 0 1rem; }
.facts dt { color: var(--quiet); font-size: .8rem; }
.facts dd { margin: 0; }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(13rem, 1fr)); gap: .8rem; }
.tile { background: var(--card); border: 1px solid var(--line); border-radius: 12px; padding: .9rem 1rem; display: flex;
  flex-direction: column; gap: .2rem; }
.tile .value { font-size: 1.9rem; font-weight: 650; line-height: 1.15; font-variant-numeric: tabular-nums; }
.bar { position: relative; height: 8px; border-radius: 4px; background: var(--line); margin: .25rem 0; }
.bar i { position: absolute; top: 0; bottom: 0; min-width: 3px; background: var(--band); border-radius: 4px; }
.bar b { position: absolute; top: -2px; width: 4px; height: 12px; margin-left: -2px; background: var(--blue); border-radius: 2px; }
.bar u { position: absolute; top: -2px; width: 2px; height: 12px; margin-left: -1px; background: var(--quiet); }
.chart { display: block; width: 100%; min-width: 34rem; max-width: 52rem; height: auto; margin: .3rem auto; }
.chart.small { min-width: 20rem; max-width: 34rem; }
@media (prefers-color-scheme: dark) { .chart { filter: invert(.898) hue-rotate(180deg); } }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: .9rem; }
th { text-align: left; color: var(--quiet); font-weight: 500; }
th, td { padding: .3rem .6rem .3rem 0; border-bottom: 1px solid var(--line); white-space: nowrap; }
.number { text-align: right; font-variant-numeric: tabular-nums; }
.columns { display: grid; grid-template-columns: repeat(auto-fit, minmax(16rem, 1fr)); gap: 0 2.5rem; }
details { margin-top: .9rem; }
summary { cursor: pointer; color: var(--blue); }
pre { overflow-x: auto; font-size: .82rem; }
.photos { display: grid; grid-template-columns: repeat(2, 1fr); gap: .8rem; }
@media (min-width: 44rem) { .photos { grid-template-columns: repeat(4, 1fr); } }
.photo { margin: 0; border: 1px solid var(--line); border-radius: 10px; overflow: hidden; border-top: 4px solid var(--wrong); }
.photo.right { border-top-color: var(--right); }
.photo img { display: block; width: 100%; aspect-ratio: 4 / 3; object-fit: contain; background: var(--paper); }
.photo figcaption { padding: .45rem .6rem .6rem; font-weight: 600; font-size: .92rem; }
.photo ol { list-style: none; margin: .2rem 0 0; padding: 0; font-weight: 400; font-size: .82rem; color: var(--quiet); }
.photo li { display: flex; justify-content: space-between; gap: .5rem; }
li.right, span.right { color: var(--right); }
li.wrong, span.wrong { color: var(--wrong); }
.search { border-top: 1px solid var(--line); padding: .7rem 0; }
.search p { margin: 0 0 .4rem; }
.search p span { font-size: .82rem; white-space: nowrap; margin-left: .4rem; }
.found { display: grid; grid-template-columns: repeat(5, minmax(0, 9rem)); gap: .5rem; }
.found img { width: 100%; aspect-ratio: 4 / 3; object-fit: cover; border-radius: 8px; }
.found img.right { outline: 4px solid var(--right); outline-offset: -1px; }
footer { margin-top: 1.5rem; }
"""
