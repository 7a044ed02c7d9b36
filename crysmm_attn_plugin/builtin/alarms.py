"""The built-in kinds of alarms, of the capture and of the statistics, with their English sentences.

Every other language says them in its descriptor's ``alarms``, as ``builtin/chinese_alarms.py`` does.
"""

from __future__ import annotations

from collections.abc import Mapping

from crysmm_attn_plugin.descriptors import AlarmKind, Severity

_CAPTURE: Mapping[Severity, Mapping[str, str]] = {
    "serious": {
        "untrained_direction": "no gradient ever reached the {direction} weights of {module}: that direction is not used by "
        "the loss and keeps its random initial weights.",
        "training_mode": "the host ran this pass with the model in training mode (dropout active); its numbers are not those "
        "of the evaluated model.",
        "collapsed_attention": "the rows of {module} ({direction}) differ by {between_atom_tv:.2g} in total variation on "
        "average: attention has collapsed, every row reads the same.",
        "not_finite": "{module} ({shape}) is not a number (NaN): the model has diverged; it is left out.",
    },
    "warning": {
        "missing_mask": "{module} masked nothing although batches were padded: attention falls on padding. Metrics are over "
        "real tokens, renormalised.",
        "padding_mass": "up to {largest_share:.2g} of a row's attention lay on padding; it is removed and rows are "
        "renormalised.",
        "padding_unknown": "{module} ({shape}) masks nothing although its lengths vary and nobody knows them, so padding "
        "cannot be told from data; it is left out.",
        "site_left_out": "{module} ({shape}) {why}; it is left out.",
        "attention_missing": "attention was not formed in {missing} of {batches} batches: some calls were not seen.",
        "compiled_region": "part of the model is compiled by torch.compile: attention formed there cannot be told apart and "
        "is missing.",
        "recorded_graph": "part of the model is recorded as a CUDA graph: attention formed there cannot be seen and is "
        "missing.",
        "hooks_did_not_fire": "some calls of the model's modules were not recorded.",
        "undirected": "{module} reads {queries} over {keys}: its maps are stored undirected.",
        "thin_evidence": "all batches had the same lengths, so that {module} reads {queries} over {keys} rests on one "
        "agreement.",
        "metric_left_out": "{why}; it is left out.",
        "tokens_unknown": "the host's tokens could not be read, so special tokens and stop words cannot be told apart.",
        "tokens_unaligned": "of {n} of {total} descriptions less than {least:.0%} of the tokens stand in the text (at worst "
        "{lowest:.0%}); nothing is said about their words.",
        "ids_from_order": "neither the data set nor the batch has ids: crystals are named by their place ({example}; # "
        "counts in the data set, ~ in its stream). Runs compare only where the test set is the same in the same order.",
        "repeated_ids": "crystal ids came more than once within the pass ({n}, for example '{first}'); each crystal is kept, "
        "the second as '{second}', and which of them is which between runs is not known.",
        "elements_unknown": "the elements of {n} crystals are not known, so numbers that need them are missing.",
        "predictions_unknown": "the model's prediction could not be told for {n} crystals; errors need it.",
        "split_by_elimination": "nobody named this loop: it is taken for the test pass because nothing was trained in it and "
        "no loop was named; name it with --loader.",
        "split_by_training": "nobody named this loop: it is taken for the test pass because it ran only after the training, and "
        "the other loop without training, {other}, while it lasted; name it with --loader.",
        "loops_unnamed": "{n} loops without training were read that nobody named, {loops}: which of them is the test pass is "
        "not known, so each is kept as a split of its own; compare one with --split {last}, or name it with --loader.",
        "plugin_failed": "the plugin {plugin} failed in {hook} ({count} times): {error}. What it adds is missing or "
        "incomplete.",
    },
    "note": {
        "single_key": "{module} ({shape}) attends to a single key, so its weights are always exactly 1; it is left out.",
        "text_truncated": "{n} of {total} descriptions were cut at the tokenizer's maximum length; their ends were never "
        "read.",
    },
}
_STATISTICS: Mapping[Severity, Mapping[str, str]] = {
    "serious": {
        "same_weights": "the arms {arm} and {baseline} hold the same weights: a checkpoint stands in both, so nothing is "
        "compared.",
        "no_inference": "{n} crystals are fewer than {least}: these are the numbers, but nothing is inferred from them.",
        "few_clusters": "the crystals are of {groups} compositions only; crystals of one composition answer as one, and "
        "nothing is claimed below {least}.",
    },
    "warning": {
        "arms_differ_otherwise": "the arms {arm} and {baseline} also differ in {settings}: a difference between them cannot be "
        "put down to the fusion alone.",
        "collapsed_runs": "training runs that ended far from the others of the same arm: {runs}. Trainings that sometimes "
        "collapse make means and intervals that no method can vouch for, so no verdict is given.",
        "checkpoint_roles_differ": "arm {arm}: its runs are represented by checkpoints of different roles ({roles}).",
        "digests_differ": "some runs were captured by an older version that names weights by another digest: whether two of "
        "them hold the same weights cannot be told. Capture these again to have it checked.",
        "texts_differ": "{n} crystals have another text in arm {arm} than in arm {other}.",
        "few_crystals": "{n} crystals are fewer than {least}: intervals are wide and small effects go unseen.",
        "one_run": "one arm has a single run: how much its training varies is not known, so the comparison is of these "
        "checkpoints.",
        "no_variation": "every crystal has the same difference: there is no variation to put an interval on.",
        "seeds_unpaired": "seeds were declared as paired, but the runs of {arm} and {baseline} do not share two seeds; they "
        "are compared unpaired.",
    },
    "note": {
        "runs_same_weights": "arm {arm}: runs {runs} hold the same weights; they count as one seed.",
        "several_modules": "the model has several attention modules; {chosen} is compared, {rest} not.",
        "seeds_without_partner": "seeds were declared as paired: runs of {arm} and {baseline} without a partner of the same "
        "seed are left out ({n}).",
    },
}

ALARM_KINDS: tuple[AlarmKind, ...] = tuple(
    AlarmKind(code, {"en": text}, severity)
    for kinds in (_CAPTURE, _STATISTICS)
    for severity, texts in kinds.items()
    for code, text in texts.items()
)
