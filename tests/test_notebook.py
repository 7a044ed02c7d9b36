"""What a notebook shows, and axes for figures of one's own."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pytest
from page_kit import Crystal, crystals, two_arms

from crysmm_attn_plugin.errors import UsageError


@pytest.fixture(scope="module")
def comparison(tmp_path_factory):
    hostile = Crystal("<b>$x$</b>", ("Na", "Cl"), text="<script>alert(1)</script> crystallizes")
    return two_arms(tmp_path_factory.mktemp("runs"), [hostile, *crystals(14)])


def test_the_table_holds_the_results_own_numbers(comparison):
    table = comparison.table
    pair = comparison.result.pairs[0]
    assert list(table["metric"]) == [
        "entropy",
        "max_weight",
        "effective_tokens_hill",
        "gini",
        "mean_absolute_error",
    ]
    row = table.set_index("metric").loc["entropy"]
    assert row["difference"] == pair.metric("entropy").paired.mean_difference
    assert (row["arm"], row["baseline"]) == ("full", "no_middle")


def test_html_is_whole_and_escapes_what_came_from_data(comparison):
    run = comparison.run("full")
    assert "<table>" in comparison._repr_html_()
    assert "Full model against" in comparison._repr_html_()
    assert str(run.path) in run._repr_html_()
    shown = comparison.maps("<b>$x$</b>", "full")._repr_html_()
    assert "<b>$x$</b>" not in shown
    assert "&lt;b&gt;$x$&lt;/b&gt;" in shown
    assert "<script>" not in shown


def test_plots_return_axes_that_can_be_drawn_on(comparison):
    figure, (first, second, third) = plt.subplots(1, 3)
    found = comparison.plot(ax=first)
    assert found is first
    marks = [line.get_xdata()[0] for line in found.lines if line.get_marker() == "o"]
    assert marks == [m.paired.percent_change for m in comparison.result.pairs[0].primary()]
    run = comparison.run("full")
    assert sum(p.get_height() for p in run.plot("gini", ax=second).patches) == 15
    one = comparison.maps("<b>$x$</b>", "full")
    np.testing.assert_allclose(one.plot(head=0, ax=third).images[0].get_array(), one.weights[0])
    figure.canvas.draw()
    plt.close(figure)
    axes = one.plot()
    axes.figure.canvas.draw()
    plt.close(axes.figure)


def test_what_is_not_there_is_refused(comparison):
    run = comparison.run("full")
    with pytest.raises(UsageError, match="no metric 'nothing'"):
        run.plot("nothing")
    with pytest.raises(UsageError, match="no head 99"):
        comparison.maps(comparison.map_ids()[0], "full").plot(head=99)
    with pytest.raises(UsageError, match="no pair 3"):
        comparison.plot(pair=3)
