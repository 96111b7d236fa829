"""How far draws can be trusted: effective sample sizes, R-hat, Monte Carlo errors."""

from ppl.diagnostics.classic import (
    autocorrelation,
    autocovariance,
    effective_sample_size,
    gelman_rubin,
    hpdi,
    print_summary,
    split_gelman_rubin,
    summary,
)
from ppl.diagnostics.estimates import (
    ebfmi,
    ess_bulk,
    ess_mean,
    ess_quantile,
    ess_tail,
    mcse_mean,
    mcse_quantile,
    mcse_sd,
    rhat,
)
from ppl.diagnostics.findings import (
    ApproximationWarning,
    ConvergenceWarning,
    DivergenceWarning,
    EnergyWarning,
    Finding,
    LowESSWarning,
    NonFiniteWarning,
    PPLWarning,
    StuckChainWarning,
    TreeDepthWarning,
    warn_findings,
)
from ppl.diagnostics.nested import nested_rhat
from ppl.diagnostics.report import diagnose
from ppl.diagnostics.table import Summary, summarise

__all__ = [
    "ApproximationWarning",
    "ConvergenceWarning",
    "DivergenceWarning",
    "EnergyWarning",
    "Finding",
    "LowESSWarning",
    "NonFiniteWarning",
    "PPLWarning",
    "StuckChainWarning",
    "Summary",
    "TreeDepthWarning",
    "autocorrelation",
    "autocovariance",
    "diagnose",
    "ebfmi",
    "effective_sample_size",
    "ess_bulk",
    "ess_mean",
    "ess_quantile",
    "ess_tail",
    "gelman_rubin",
    "hpdi",
    "mcse_mean",
    "mcse_quantile",
    "mcse_sd",
    "nested_rhat",
    "print_summary",
    "rhat",
    "split_gelman_rubin",
    "summarise",
    "summary",
    "warn_findings",
]
