"""Runs on disk to one result: alignment by crystal, verdicts of constructed arms, claims, refusals, controls."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from store_kit import crystal_ids, entropies, from_entropy, write_run

from crysmm_attn_plugin.catalogue import PRIMARY
from crysmm_attn_plugin.errors import NothingCapturedError, StatisticsError, UsageError
from crysmm_attn_plugin.stats import compare_paired, holm, max_t_step_down
from crysmm_attn_plugin.stats.compare import compare
from crysmm_attn_plugin.stats.panel import AGGREGATIONS, SCOPES, Cell, build_panel
from crysmm_attn_plugin.stats.results import ComparisonResult, PairComparison
from crysmm_attn_plugin.stats.verdict import HYPOTHESIS_WORDS
from crysmm_attn_plugin.store.files import plain
from crysmm_attn_plugin.store.reader import Run

N = 60
RESAMPLES = 999


def arms_of(
    out: Path,
    treated: Mapping[str, np.ndarray],
    base: Mapping[str, np.ndarray],
    runs: int = 1,
    **options: object,
) -> dict[str, list[Run]]:
    """Both arms with so many runs, which agree to a thousandth of a nat."""
    return {
        arm: [
            write_run(
                out, arm, nudged(values, 2 * seed + (arm == "full") if seed else 0), seed=seed, **options
            )  # type: ignore[arg-type]
            for seed in range(runs)
        ]
        for arm, values in (("full", treated), ("no_middle", base))
    }


def nudged(values: Mapping[str, np.ndarray], seed: int) -> dict[str, np.ndarray]:
    """The same values from another training run; run 0's are as they are."""
    shift = 0.0005 * np.random.default_rng(seed).standard_normal() if seed else 0.0
    return {name: v * (1 + shift) for name, v in values.items()}


def judged(arms: Mapping[str, list[Run]], **options: object) -> tuple[ComparisonResult, PairComparison]:
    result, _ = compare(arms, baseline="no_middle", n_resamples=RESAMPLES, **options)  # type: ignore[arg-type]
    return result, result.pairs[0]


def noise(seed: int, size: float = 0.05, n: int = N) -> np.ndarray:
    return size * np.random.default_rng(seed).standard_normal(n)


def constructed(word: str) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Values of both arms for which the rules say ``word``."""
    e = entropies(N)
    base = from_entropy(e)
    if word == "supported":
        return from_entropy(e - 0.6 + noise(1)), base
    if word == "contradicted":
        return from_entropy(e + 0.6 + noise(1)), base
    if word == "negligible":
        return from_entropy(e + noise(1, 0.01)), base
    if word == "inconclusive":
        return from_entropy(e + noise(1, 0.5) - noise(1, 0.5).mean()), base
    lower = from_entropy(e - 0.6 + noise(1))
    still = from_entropy(e + noise(2, 0.01))
    raised = from_entropy(e + 0.6 + noise(1))
    if word == "partial":
        return {**lower, "gini": still["gini"]}, base
    return {**lower, "gini": raised["gini"]}, base


# -- verdicts ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "word", ["supported", "contradicted", "negligible", "inconclusive", "partial", "conflicting"]
)
def test_constructed_arms_get_the_verdict_the_rules_say(word: str, tmp_path: Path) -> None:
    result, pair = judged(arms_of(tmp_path, *constructed(word), runs=4))
    assert pair.verdict == word
    assert [m.metric for m in pair.primary()] == list(PRIMARY)
    assert {m.adjustment for m in pair.primary()} == {"Holm"}
    assert (pair.claim, pair.n, result.n_crystals) == ("verdict", N, N)
    assert pair.claim_reasons == ()
    for m in pair.primary():
        assert (m.seed_p_smallest, len(m.per_seed_arm)) == (pytest.approx(2 / 70), 4)
        assert m.prediction_low < m.paired.ci_low
        assert m.prediction_high > m.paired.ci_high


@pytest.mark.parametrize("word", ["supported", "contradicted", "negligible", "partial", "conflicting"])
@pytest.mark.parametrize("runs", [1, 2, 3])
def test_fewer_than_four_runs_an_arm_say_no_word_about_the_hypothesis(
    word: str, runs: int, tmp_path: Path
) -> None:
    _, pair = judged(arms_of(tmp_path, *constructed(word), runs=runs))
    assert pair.verdict not in HYPOTHESIS_WORDS
    assert not {m.outcome for m in pair.metrics} & {"supports", "opposes"}
    assert pair.scenario is None
    if runs == 1:
        expected = "checkpoints_alike" if word == "negligible" else "checkpoints_differ"
        assert (pair.claim, pair.verdict, pair.claim_reasons) == ("checkpoints", expected, ("one_run",))
        for m in pair.primary():
            gap = abs(m.paired.mean_difference)
            assert m.break_even_run_sd == pytest.approx(gap / (1.959964 * math.sqrt(2)), rel=1e-5)
    else:
        assert (pair.claim, pair.verdict, pair.claim_reasons) == (
            "estimates",
            "estimates_only",
            ("few_runs",),
        )
        assert {m.outcome for m in pair.primary()} == {"estimate"}


def test_swapping_the_arms_turns_supported_into_contradicted_and_every_sign(tmp_path: Path) -> None:
    arms = arms_of(tmp_path, *constructed("supported"), runs=4)
    there = compare(arms, baseline="no_middle", n_resamples=RESAMPLES)[0].pairs[0]
    back = compare(arms, baseline="full", n_resamples=RESAMPLES)[0].pairs[0]
    assert (there.verdict, back.verdict) == ("supported", "contradicted")
    for m in there.metrics:
        other = back.metric(m.metric, scope=m.scope, aggregation=m.aggregation)
        assert other.paired.mean_difference == pytest.approx(-m.paired.mean_difference)
        assert other.p_adjusted == pytest.approx(m.p_adjusted)
        assert other.paired.ci_low == pytest.approx(-m.paired.ci_high)


def test_a_change_smaller_than_the_declared_smallest_effect_supports_nothing(tmp_path: Path) -> None:
    arms = arms_of(tmp_path, *constructed("supported"), runs=4)
    assert judged(arms)[1].verdict == "supported"
    result, pair = judged(arms, sesoi_percent={"entropy": 90.0})
    entropy = pair.metric("entropy")
    assert (entropy.beyond_sesoi, entropy.outcome, entropy.sesoi_percent) == (False, "negligible", 90.0)
    assert (entropy.sesoi_source, pair.metric("gini").sesoi_source) == ("changed", "default")
    assert result.changed_defaults == {"smallest effect of entropy": "90 %"}
    assert entropy.sesoi == pytest.approx(0.9 * entropy.paired.mean_b)
    assert pair.verdict == "partial"


def test_numbers_of_the_result_are_those_of_the_paired_comparison(tmp_path: Path) -> None:
    treated, base = constructed("supported")
    _, pair = judged(arms_of(tmp_path, treated, base))
    for name in PRIMARY:
        a, b = (np.float32(x[name]).astype(float) for x in (treated, base))
        expected = compare_paired(a, b, n_resamples=RESAMPLES)
        found = pair.metric(name).paired
        assert found.mean_difference == pytest.approx(expected.mean_difference, rel=1e-5)
        assert found.p_value == expected.p_value
        assert found.ci_low == pytest.approx(expected.ci_low, rel=1e-4)
    matrix = np.column_stack([treated[m] - base[m] for m in PRIMARY])
    assert [pair.metric(m).p_adjusted for m in PRIMARY] == pytest.approx(
        list(max_t_step_down(matrix, n_resamples=RESAMPLES)), abs=1e-3
    )
    assert pair.metric("entropy").uniform_mean == pytest.approx(
        np.mean(np.log([n * 5 % 23 + 20 for n in range(N)])), rel=1e-6
    )


def test_exploratory_metrics_are_adjusted_apart_and_never_decide(tmp_path: Path) -> None:
    treated, base = constructed("inconclusive")
    treated["between_atom_tv"] = base["between_atom_tv"] * 2 + noise(3, 0.001)
    _, pair = judged(arms_of(tmp_path, treated, base))
    found = pair.metric("between_atom_tv")
    assert (found.family, found.adjustment) == ("exploratory", "Benjamini-Hochberg")
    assert found.p_adjusted is not None
    assert found.p_adjusted < 0.01
    assert pair.verdict == "inconclusive"


# -- seeds ---------------------------------------------------------------------------------------------------


def seeded(
    out: Path, seeds: Mapping[str, int], *, shift: float, run_sd: float = 0.03, **options: object
) -> dict[str, list[Run]]:
    e = entropies(N)
    rng = np.random.default_rng(4)
    return {
        arm: [
            write_run(
                out,
                arm,
                from_entropy(
                    e
                    + (shift if arm == "full" else 0)
                    + run_sd * rng.standard_normal()
                    + noise(9 * s + len(arm))
                ),
                seed=s,
                **options,  # type: ignore[arg-type]
            )
            for s in range(k)
        ]
        for arm, k in seeds.items()
    }


@pytest.mark.parametrize(
    ("seeds", "claim"),
    [((1, 1), "checkpoints"), ((2, 3), "estimates"), ((1, 5), "checkpoints"), ((4, 6), "verdict")],
)
def test_the_claim_follows_the_arm_with_fewer_seeds(
    seeds: tuple[int, int], claim: str, tmp_path: Path
) -> None:
    result, pair = judged(seeded(tmp_path, dict(zip(("full", "no_middle"), seeds)), shift=-0.6))
    assert pair.claim == claim
    found = pair.metric("entropy").paired
    assert (found.n_seeds_a, found.n_seeds_b) == seeds
    assert [a.n_seeds for a in result.arms] == list(seeds)
    if min(seeds) > 1:
        assert found.test == "two-way t (crystals x seeds)"
        assert {m.adjustment for m in pair.primary()} == {"Holm"}
        assert [m.p_adjusted for m in pair.primary()] == pytest.approx(
            list(holm([m.paired.p_value for m in pair.primary()]))
        )


def test_runs_that_vary_widen_the_interval_and_every_sensitivity(tmp_path: Path) -> None:
    steady = judged(seeded(tmp_path / "a", {"full": 3, "no_middle": 3}, shift=-0.2, run_sd=0.0))[1]
    varying = judged(seeded(tmp_path / "b", {"full": 3, "no_middle": 3}, shift=-0.2, run_sd=0.3))[1]
    for pair_name in ("ci_low", "ci_high"):
        assert math.isfinite(getattr(varying.metric("entropy").paired, pair_name))

    def width(pair: PairComparison) -> float:
        p = pair.metric("entropy").paired
        return p.ci_high - p.ci_low

    assert width(varying) > 3 * width(steady)
    found = varying.metric("entropy")
    # no composition repeats: there are no clusters
    assert (found.decides, found.n_clusters, found.p_cluster) == ("crystals", None, None)
    assert varying.detectable_dz is not None
    assert steady.detectable_dz is not None
    assert varying.detectable_dz > 3 * steady.detectable_dz
    spec = next(s for s in varying.specifications if s.metric == "entropy" and s.subset == "all crystals")
    assert spec.p_value == pytest.approx(found.paired.p_value, rel=0.3)


def test_the_same_weights_captured_twice_are_one_seed(tmp_path: Path) -> None:
    treated, base = constructed("supported")
    arms = arms_of(tmp_path, treated, base)
    arms["full"].append(write_run(tmp_path / "again", "full", treated))
    result, pair = judged(arms)
    assert result.arms[0].n_seeds == 1
    assert pair.claim == "checkpoints"
    assert "runs_same_weights" in {w.code for w in result.warnings}


def test_arms_that_differ_in_more_than_the_fusion_make_no_claim_about_it(tmp_path: Path) -> None:
    e = entropies(N)
    arms = {
        arm: [
            write_run(
                tmp_path, arm, from_entropy(e + shift + noise(s + 10 * len(arm))), seed=s,
                config={"model": {"use_middle_fusion": arm == "full"}, "learning_rate": rate},
            )
            for s in range(4)
        ]
        for arm, shift, rate in (("full", -0.6, 1e-3), ("no_middle", 0.0, 1e-4))
    }  # fmt: skip
    _, pair = judged(arms)
    assert (pair.claim, pair.verdict) == ("estimates", "estimates_only")
    assert pair.claim_reasons == ("arms_differ_otherwise",)
    assert set(pair.differing_settings) == {"model.use_middle_fusion", "learning_rate"}
    assert ["learning_rate"] in [
        w.detail["settings"] for w in pair.warnings if w.code == "arms_differ_otherwise"
    ]


# -- crystals ------------------------------------------------------------------------------------------------


def test_below_ten_crystals_nothing_is_inferred_and_below_fifty_it_is_warned_about(tmp_path: Path) -> None:
    e = entropies(9)
    result, pair = judged(arms_of(tmp_path / "9", from_entropy(e - 0.5), from_entropy(e)))
    assert (pair.verdict, pair.claim, pair.metrics, pair.detectable_dz) == ("not_tested", "none", (), None)
    assert pair.performance.axis == "unknown"
    assert "no_inference" in {w.code for w in result.warnings}
    e = entropies(49)
    result, pair = judged(arms_of(tmp_path / "49", from_entropy(e - 0.5 + noise(1, n=49)), from_entropy(e)))
    assert [w.detail for w in result.warnings if w.code == "few_crystals"] == [{"n": 49, "least": 50}]
    result, pair = judged(arms_of(tmp_path / "60", *constructed("supported")))
    assert not {"few_crystals", "no_inference"} & {w.code for w in result.warnings}


def test_crystals_that_are_not_in_every_run_are_left_out_and_counted(tmp_path: Path) -> None:
    treated, base = constructed("supported")
    ids = crystal_ids(N + 7)
    arms = {
        "full": [write_run(tmp_path, "full", treated, ids=ids[:N])],
        "no_middle": [write_run(tmp_path, "no_middle", base, ids=ids[7:])],
    }
    # labels follow the position, so give the shared crystals the same targets
    for arm, values, span in (("full", treated, slice(0, N)), ("no_middle", base, slice(7, N + 7))):
        targets = (np.arange(N + 7) % 11 / 4)[span]
        arms[arm] = [write_run(tmp_path / "aligned", arm, values, ids=ids[span], targets=targets)]
    result, pair = judged(arms)
    assert (result.n_crystals, pair.n) == (N - 7, N - 7)
    assert dict(result.excluded) == {"not in every run": 14}
    shared = compare_paired(treated["entropy"][7:], base["entropy"][:-7], n_resamples=RESAMPLES)
    assert pair.metric("entropy").paired.mean_difference == pytest.approx(shared.mean_difference, rel=1e-5)


def test_crystals_are_paired_by_id_whatever_their_order_on_disk(tmp_path: Path) -> None:
    treated, base = constructed("supported")
    order = np.random.default_rng(0).permutation(N)
    straight = judged(arms_of(tmp_path / "a", treated, base))[1]
    ids, targets = np.array(crystal_ids(N)), np.arange(N) % 11 / 4
    shuffled = write_run(
        tmp_path / "b", "full", {k: v[order] for k, v in treated.items()}, ids=[str(i) for i in ids[order]],
        targets=targets[order], hashes=[f"h{i}" for i in ids[order]], formulas=[f"A{i + 1}B" for i in order],
    )  # fmt: skip
    pair = judged({"full": [shuffled], "no_middle": [write_run(tmp_path / "b", "no_middle", base)]})[1]
    for m in straight.metrics:
        other = pair.metric(m.metric, scope=m.scope, aggregation=m.aggregation)
        assert plain(other.paired) == plain(m.paired)


def test_runs_of_different_data_are_refused(tmp_path: Path) -> None:
    e = entropies(20)
    one = write_run(tmp_path, "full", from_entropy(e))
    elsewhere = write_run(tmp_path, "no_middle", from_entropy(e), ids=[f"x{i}" for i in range(20)])
    with pytest.raises(StatisticsError, match="share no test crystal"):
        judged({"full": [one], "no_middle": [elsewhere]})
    other = write_run(tmp_path / "t", "no_middle", from_entropy(e), targets=np.arange(20.0))
    with pytest.raises(StatisticsError, match=r"target 0.25 in .* but 1 in"):
        judged({"full": [one], "no_middle": [other]})
    text_to_atom = write_run(tmp_path / "d", "no_middle", from_entropy(e), direction="text_to_atom")
    with pytest.raises(NothingCapturedError, match="no attention direction in common"):
        judged({"full": [one], "no_middle": [text_to_atom]})
    with pytest.raises(UsageError, match="baseline 'late' is not among the arms"):
        compare({"full": [one]}, baseline="late")


def test_equal_texts_and_equal_cells_are_flagged_as_duplicates(tmp_path: Path) -> None:
    e = entropies(20)
    hashes = [f"h{i}" for i in range(20)]
    hashes[3] = hashes[5] = "same text"
    formulas = [f"A{i + 1}B" for i in range(20)]
    formulas[7] = formulas[8] = formulas[9] = "NaCl"
    atoms, edges = np.full(20, 4), 4 + np.arange(20) / 10
    edges[7], edges[8], edges[9] = 5.0, 5.02, 5.5  # volumes 1.2 % and 33 % apart
    options = {"hashes": hashes, "formulas": formulas, "n_atoms": atoms, "edges": edges}
    result, _ = judged(arms_of(tmp_path, from_entropy(e - 0.5 + noise(1, n=20)), from_entropy(e), **options))
    assert set(result.duplicates) == {("c003", "c005"), ("c007", "c008")}


def test_metrics_not_defined_for_some_crystals_leave_those_out_of_their_family_only(tmp_path: Path) -> None:
    treated, base = constructed("supported")
    treated["gini"] = treated["gini"].copy()
    treated["gini"][:4] = np.nan
    treated["between_atom_tv"] = treated["between_atom_tv"] + noise(1, 0.01)
    _, pair = judged(arms_of(tmp_path, treated, base))
    assert {m.paired.n for m in pair.primary()} == {N - 4}
    assert pair.metric("between_atom_tv").paired.n == N
    assert pair.n == N - 4


def test_arms_with_holes_at_different_crystals_are_not_flipped_jointly(tmp_path: Path) -> None:
    """As many crystals are not the same crystals: joint flips would pair strangers."""
    treated, base = constructed("supported")
    arms = {"no_middle": [write_run(tmp_path, "no_middle", base)]}
    for position, arm in enumerate(("full", "no_text")):
        values = {k: v.copy() for k, v in treated.items()}
        values["gini"][position] = np.nan
        arms[arm] = [write_run(tmp_path, arm, values)]
    result, _ = compare(arms, baseline="no_middle", n_resamples=RESAMPLES)
    assert {m.paired.n for pair in result.pairs for m in pair.primary()} == {N - 1}
    assert {m.adjustment for pair in result.pairs for m in pair.primary()} == {"Holm"}


def test_clusters_decide_where_compositions_repeat(tmp_path: Path) -> None:
    treated, base = constructed("supported")
    formulas = [f"A{i % 20 + 1}B" for i in range(N)]
    _, pair = judged(arms_of(tmp_path, treated, base, formulas=formulas))
    found = pair.metric("entropy")
    expected = compare_paired(
        np.float32(treated["entropy"]).astype(float), np.float32(base["entropy"]).astype(float),
        clusters=formulas, n_resamples=RESAMPLES,
    )  # fmt: skip
    plain_one = compare_paired(
        np.float32(treated["entropy"]).astype(float), np.float32(base["entropy"]).astype(float),
        n_resamples=RESAMPLES,
    )  # fmt: skip
    assert (found.n_clusters, found.decides) == (20, "clusters")
    assert found.p_cluster == found.paired.p_value == expected.p_value
    assert found.ci_cluster_low == found.paired.ci_low == pytest.approx(expected.ci_low, rel=1e-4)
    assert (found.p_crystals, found.ci_crystals_low) == (
        plain_one.p_value, pytest.approx(plain_one.ci_low, rel=1e-4),
    )  # fmt: skip
    assert {m.decides for m in pair.metrics} == {"clusters"}
    assert pair.performance.decides == "clusters"


def test_too_few_compositions_carry_no_claim(tmp_path: Path) -> None:
    formulas = [f"A{i % 4 + 1}B" for i in range(N)]
    _, pair = judged(arms_of(tmp_path, *constructed("supported"), formulas=formulas))
    assert (pair.claim, pair.verdict) == ("none", "not_tested")
    assert "few_clusters" in pair.claim_reasons
    assert [w.detail["groups"] for w in pair.warnings if w.code == "few_clusters"] == [4]


# -- several arms, specifications, errors --------------------------------------------------------------------


def test_several_arms_share_one_baseline_and_one_family(tmp_path: Path) -> None:
    e = entropies(N)
    arms = {
        arm: [write_run(tmp_path, arm, from_entropy(e + shift + noise(seed)))]
        for seed, (arm, shift) in enumerate(
            (("full", -0.6), ("no_text", 0.0), ("no_middle", 0.0), ("no_global", 0.6))
        )
    }
    result, _ = compare(arms, baseline="no_middle", n_resamples=RESAMPLES)
    assert [p.arm for p in result.pairs] == ["full", "no_text", "no_global"]
    assert {p.baseline for p in result.pairs} == {"no_middle"}
    words = {p.arm: p.verdict for p in result.pairs}
    assert (words["full"], words["no_global"]) == ("checkpoints_differ", "checkpoints_differ")
    assert words["no_text"] in ("checkpoints_alike", "inconclusive")
    # twelve tests are corrected together, so no p is below that of the pair alone
    alone = compare(
        {k: arms[k] for k in ("no_text", "no_middle")}, baseline="no_middle", n_resamples=RESAMPLES
    )[0]
    together = next(p for p in result.pairs if p.arm == "no_text")
    for name in PRIMARY:
        assert together.metric(name).p_adjusted >= alone.pairs[0].metric(name).p_adjusted - 1e-12


def test_every_defensible_reading_is_a_row_of_the_specification_curve(tmp_path: Path) -> None:
    _, pair = judged(arms_of(tmp_path, *constructed("supported")))
    rows = [s for s in pair.specifications if s.metric == "entropy"]
    assert {s.scope for s in rows} == set(SCOPES)
    assert {s.aggregation for s in rows} == {*AGGREGATIONS, "sharpest_head", "most_diffuse_head"}
    assert {s.subset for s in rows} == {
        "all crystals", "shorter texts", "medium texts", "longer texts", "fewer atoms", "medium atoms", "more atoms",
        "low target", "medium target", "high target",
    }  # fmt: skip
    for s in pair.specifications:
        assert s.n >= 10
        assert s.ci_low <= s.mean_difference <= s.ci_high
    whole = next(
        s for s in rows
        if (s.scope, s.aggregation, s.subset) == ("with_special", "metric_then_heads", "all crystals")
    )  # fmt: skip
    found = pair.metric("entropy").paired
    assert (whole.n, whole.mean_difference) == (found.n, pytest.approx(found.mean_difference))
    assert whole.percent_change == pytest.approx(found.percent_change)
    assert whole.g_z == pytest.approx(found.g_z)
    assert whole.p_value == pytest.approx(found.p_t, rel=1e-6)
    for thirds in (
        ("shorter texts", "medium texts", "longer texts"),
        ("fewer atoms", "medium atoms", "more atoms"),
    ):
        parts = [
            s
            for s in rows
            if s.subset in thirds and (s.scope, s.aggregation) == (whole.scope, whole.aggregation)
        ]
        assert sum(s.n for s in parts) == N
        mean = sum(s.n * s.mean_difference for s in parts) / N
        assert mean == pytest.approx(whole.mean_difference)
    assert all(m.p_adjusted is None or m.metric != "entropy" or m.family == "primary" for m in pair.metrics)


def test_the_sharpest_head_is_the_least_entropy_and_the_largest_weight(tmp_path: Path) -> None:
    treated, base = constructed("supported")
    _, pair = judged(arms_of(tmp_path, treated, base, heads=3))
    sharp, diffuse = (
        {s.metric: s for s in pair.specifications if s.aggregation == name}
        for name in ("sharpest_head", "most_diffuse_head")
    )
    change = float((treated["entropy"] - base["entropy"]).mean())
    assert sharp["entropy"].mean_difference == pytest.approx(0.98 * change, rel=1e-4)
    assert diffuse["entropy"].mean_difference == pytest.approx(1.02 * change, rel=1e-4)
    weight = float((treated["max_weight"] - base["max_weight"]).mean())
    assert sharp["max_weight"].mean_difference == pytest.approx(1.02 * weight, rel=1e-4)


def test_errors_are_the_second_axis_with_both_denominators(tmp_path: Path) -> None:
    e = entropies(N)
    targets = np.arange(N) % 11 / 4
    sign = np.where(np.arange(N) % 2, 1.0, -1.0)
    rng = np.random.default_rng(3)
    close, far = 0.2 + 0.02 * rng.standard_normal(N), 0.3 + 0.02 * rng.standard_normal(N)
    arms = {
        "full": [
            write_run(tmp_path, "full", from_entropy(e - 0.6 + noise(1)), predictions=targets + sign * close)
        ],
        "no_middle": [write_run(tmp_path, "no_middle", from_entropy(e), predictions=targets + sign * far)],
    }
    result, pair = judged(arms)
    p = pair.performance
    assert p.axis == "better"
    assert p.mae_arm == pytest.approx(close.mean())
    assert p.relative_gain == pytest.approx(100 * (far.mean() - close.mean()) / far.mean())
    assert p.relative_gain_other_denominator == pytest.approx(
        100 * (far.mean() - close.mean()) / close.mean()
    )
    assert p.break_even_seed_sd == pytest.approx(
        (far.mean() - close.mean()) / (1.959964 * math.sqrt(2)), rel=1e-5
    )
    assert (pair.verdict, pair.scenario) == ("checkpoints_differ", None)
    assert result.arms[0].mae == pytest.approx(close.mean())


def test_change_in_attention_that_goes_with_change_in_error_is_seen_and_chance_is_not(tmp_path: Path) -> None:
    e, targets = entropies(N), np.arange(N) % 11 / 4
    change = 0.3 * np.random.default_rng(1).standard_normal(N)
    error = 0.4 + 0.1 * np.random.default_rng(2).uniform(size=N)
    base = write_run(tmp_path, "no_middle", from_entropy(e), predictions=targets + error)
    for linked in (True, False):
        driver = change if linked else 0.3 * np.random.default_rng(5).standard_normal(N)
        treated = write_run(
            tmp_path / str(linked),
            "full",
            from_entropy(e + change),
            predictions=targets + error + 0.3 * driver,
        )
        _, pair = judged({"full": [treated], "no_middle": [base]})
        coupled = next(c for c in pair.coupling if c.metric == "entropy")
        assert coupled.co_varied == linked
        assert coupled.n == N
        assert coupled.ci_low <= coupled.spearman <= coupled.ci_high
        if linked:
            assert coupled.spearman > 0.9
            assert coupled.coefficient is not None
            assert coupled.coefficient > 0


def test_a_coefficient_that_collinear_changes_leave_open_is_not_reported(tmp_path: Path) -> None:
    e, targets = entropies(N), np.arange(N) % 11 / 4
    arms = {
        arm: [write_run(tmp_path, arm, {"entropy": factor * e + k}, predictions=targets + 0.3 + noise(k))]
        for k, (arm, factor) in enumerate((("full", 2.0), ("no_middle", 1.0)))
    }
    (coupled,) = judged(arms)[1].coupling
    assert (coupled.coefficient, coupled.coefficient_p, coupled.co_varied) == (None, None, False)
    constant = {
        arm: [write_run(tmp_path / "c", arm, from_entropy(e + noise(k)), predictions=targets + 0.1)]
        for k, arm in enumerate(("full", "no_middle"))
    }
    assert judged(constant)[1].coupling == ()


def test_the_level_reaches_every_interval(tmp_path: Path) -> None:
    e, targets = entropies(N), np.arange(N) % 11 / 4
    arms = {
        arm: [
            write_run(
                tmp_path, arm, from_entropy(e + noise(k, 0.3)), predictions=targets + 0.3 + noise(k + 5)
            )
        ]
        for k, arm in enumerate(("full", "no_middle"))
    }
    strict, usual = (judged(arms, alpha=a)[1] for a in (0.01, 0.05))
    pairs = [
        *((x.paired.ci_low, x.paired.ci_high, y.paired.ci_low, y.paired.ci_high)
          for x, y in zip(strict.metrics, usual.metrics) if x.metric != "between_atom_tv"),
        *((x.ci_low, x.ci_high, y.ci_low, y.ci_high) for x, y in zip(strict.coupling, usual.coupling)),
        *((x.coefficient_ci_low, x.coefficient_ci_high, y.coefficient_ci_low, y.coefficient_ci_high)
          for x, y in zip(strict.coupling, usual.coupling)),
        *((x.ci_low, x.ci_high, y.ci_low, y.ci_high)
          for x, y in zip(strict.specifications, usual.specifications)),
    ]  # fmt: skip
    assert len(usual.coupling) == 4
    for low_1, high_1, low_5, high_5 in pairs:
        assert low_1 < low_5 < high_5 < high_1


def test_one_arm_alone_is_described_and_not_compared(tmp_path: Path) -> None:
    run = write_run(tmp_path, "full", from_entropy(entropies(N)))
    result, samples = compare({"full": [run]}, baseline=None)
    assert (result.pairs, result.baseline, result.n_crystals) == ((), "", N)
    assert result.arms[0].means["entropy"] == pytest.approx(entropies(N).mean(), rel=1e-6)
    assert samples["entropy.full"].to_numpy() == pytest.approx(entropies(N), rel=1e-6)


def test_the_table_of_crystals_holds_what_was_compared(tmp_path: Path) -> None:
    treated, base = constructed("supported")
    _, samples = compare(arms_of(tmp_path, treated, base), baseline="no_middle", n_resamples=RESAMPLES)
    assert list(samples["id"]) == list(crystal_ids(N))
    assert samples["gini.full"].to_numpy() == pytest.approx(treated["gini"], rel=1e-6)
    assert samples["abs_error.no_middle"].to_numpy() == pytest.approx(0.1)


def test_a_result_survives_its_file(tmp_path: Path) -> None:
    import json

    result, _ = judged(arms_of(tmp_path, *constructed("partial")))
    again = ComparisonResult.from_dict(json.loads(json.dumps(plain(result))))
    assert plain(again) == plain(result)
    assert again.pairs[0].metric("entropy").paired == result.pairs[0].metric("entropy").paired


# -- negative controls ---------------------------------------------------------------------------------------


def test_labels_shuffled_within_crystals_are_not_supported(tmp_path: Path) -> None:
    """A strong true change, but who was treated is drawn anew for each crystal: 20 draws, at most chance survives."""
    treated, base = constructed("supported")
    words = []
    for draw in range(20):
        swap = np.random.default_rng(draw).random(N) < 0.5
        a = {k: np.where(swap, base[k], treated[k]) for k in base}
        b = {k: np.where(swap, treated[k], base[k]) for k in base}
        words.append(judged(arms_of(tmp_path / str(draw), a, b))[1].verdict)
    # the chance of a false word is .05 a draw
    assert words.count("checkpoints_differ") <= 4


def test_two_seeds_of_one_arm_against_each_other_are_not_supported(tmp_path: Path) -> None:
    """Same architecture, other weights: noise in each crystal, a small offset of each run."""
    e = entropies(N)
    words = []
    for draw in range(10):
        rng = np.random.default_rng([7, draw])
        arms = {
            arm: [write_run(tmp_path / str(draw), arm, from_entropy(e + 0.15 * rng.standard_normal(N)))]
            for arm in ("full", "no_middle")
        }
        words.append(judged(arms)[1].verdict)
    assert words.count("checkpoints_differ") <= 1


def test_one_seed_may_be_fooled_by_its_run_and_four_are_not(tmp_path: Path) -> None:
    """Runs of equal architectures with a large spread between runs: single pairs differ, the arms do not."""
    e = entropies(N)
    rng = np.random.default_rng(11)
    single = several = 0
    for draw in range(6):
        arms = {
            arm: [
                write_run(
                    tmp_path / str(draw), arm,
                    from_entropy(e + 0.4 * rng.standard_normal() + 0.05 * rng.standard_normal(N)), seed=s,
                )
                for s in range(4)
            ]
            for arm in ("full", "no_middle")
        }  # fmt: skip
        significant = (
            "checkpoints_differ",
            "supported",
            "contradicted",
            "partial",
            "partly_contradicted",
            "conflicting",
        )
        single += judged({arm: runs[:1] for arm, runs in arms.items()})[1].verdict in significant
        several += judged(arms)[1].verdict in significant
    assert single >= 4
    assert several <= 1


def test_the_panel_keeps_seeds_heads_and_keys_apart(tmp_path: Path) -> None:
    arms = seeded(tmp_path, {"full": 2, "no_middle": 1}, shift=-0.6, heads=3)
    panel = build_panel(arms)
    assert panel.values["full", Cell("entropy")].shape == (2, N)
    assert panel.heads["full", "entropy", "atom_to_text"].shape == (2, N, 3)
    assert panel.n_heads == 3
    assert panel.keys["full", "atom_to_text", "without_special"].tolist() == [
        n * 5 % 23 + 18 for n in range(N)
    ]
    assert panel.predictions["no_middle"].shape == (1, N)
    np.testing.assert_allclose(
        panel.heads["full", "entropy", "atom_to_text"].mean(-1),
        panel.values["full", Cell("entropy")],
        rtol=1e-6,
    )


def test_no_side_is_taken_on_the_error_when_test_and_interval_disagree() -> None:
    from crysmm_attn_plugin.stats.performance import compare_errors

    rng = np.random.default_rng(0)
    targets = np.zeros(65)
    baseline = 10 + rng.normal(0, 0.02, 65)
    arm = baseline - 0.5 + rng.normal(0, 0.02, 65)
    arm[0] = baseline[0] + 6  # one crystal got far worse, all others a little better
    found = compare_errors(arm[None], baseline[None], targets, n_resamples=2000, seed=0, alpha=0.05)
    assert found.p_value is not None
    assert found.ci_high is not None
    assert found.p_value < 0.05
    assert found.ci_high > 0
    assert found.axis == "indistinguishable"
