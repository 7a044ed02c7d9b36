"""A crysmm-attn plugin that adds one of everything. Each hook hands over a descriptor."""

from attn_everything_example.german import GERMAN
from attn_everything_example.host import GlassAdapter
from attn_everything_example.metric import METRIC
from attn_everything_example.report import ALARM, COMMAND, PART
from crysmm_attn_plugin.hooks import hookimpl


@hookimpl
def attn_host_adapters():
    """``crysmm-attn run``, ``doctor`` and ``compare`` know the host."""
    return [GlassAdapter()]


@hookimpl
def attn_metrics():
    """One column more in every run, one row more in tables, figure, paragraph and page."""
    return [METRIC]


@hookimpl
def attn_languages():
    """``--lang de``."""
    return [GERMAN]


@hookimpl
def attn_report_parts():
    """``--format elements_first``, and a section of every report."""
    return [PART]


@hookimpl
def attn_alarms():
    """Raised where fewer than half of the atoms read their own element first."""
    return [ALARM]


@hookimpl
def attn_add_commands(cli):
    """``crysmm-attn elements-first RUNS``."""
    COMMAND.add_to(cli)
