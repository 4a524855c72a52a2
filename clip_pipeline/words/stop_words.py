"""English function words: frequent in any text, describing no picture."""

from __future__ import annotations

_FUNCTION_WORDS = """
    a an the
    i me my mine myself we us our ours ourselves you your yours yourself yourselves he him his himself she her hers herself
    it its itself they them their theirs themselves one one's oneself
    this that these those who whom whose which what whatever whichever whoever
    am is are was were be been being have has had having do does did doing done will would shall should can could may might
    must ought cannot
    and but or nor so yet if because as until while although though unless since whereas whether than
    of at by for with about against between into through during before after above below to from up down in out on off over
    under upon within without toward towards among amongst onto per via despite except
    again further then once here there when where why how also thus hence therefore however moreover meanwhile
    all any both each few more most other others another some such every either neither many much several less least
    no not only own same too very just even still ever never always often almost already quite rather
    ain't aren't can't couldn't didn't doesn't don't hadn't hasn't haven't isn't mustn't needn't shan't shouldn't wasn't weren't
    won't wouldn't i'm i've i'll i'd you're you've you'll you'd he's he'll he'd she's she'll she'd it's it'll we're we've
    we'll we'd they're they've they'll they'd that's who's what's here's there's where's let's
    etc ie eg vs
"""

STOP_WORDS = frozenset(_FUNCTION_WORDS.split())
