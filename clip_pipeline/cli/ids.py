"""Ids of photos as arguments: one of 64 of Unsplash's begins with the sign of an option."""

from __future__ import annotations

import re

import click

UNSPLASH_ID = re.compile(r"-[A-Za-z0-9_-]{10}")


class TakesIds(click.Command):
    """A command in whose arguments `-hGS8gK8-HG` is an id, and not `-h`: what has the form of an id and is no option of its own."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """As click's, with the ids behind the mark that ends options."""
        options = {name for option in self.get_params(ctx) for name in (*option.opts, *option.secondary_opts)}
        valued = {
            name
            for option in self.get_params(ctx)
            if isinstance(option, click.Option) and not option.is_flag and not option.count
            for name in option.opts
        }
        ends = args.index("--") if "--" in args else len(args)
        kept: list[str] = []
        ids: list[str] = []
        for place, arg in enumerate(args[:ends]):
            before = args[place - 1] if place else ""
            (ids if before not in valued and _is_id(arg, options, valued) else kept).append(arg)
        return super().parse_args(ctx, [*kept, "--", *ids, *args[ends + 1 :]] if ids else args)


def _is_id(arg: str, options: set[str], valued: set[str]) -> bool:
    if arg in options or not arg.startswith("-") or arg == "-":
        return False
    return bool(UNSPLASH_ID.fullmatch(arg)) if arg.startswith("--") else arg[:2] not in valued
