"""The result type: draws by site, tables, labels, and the tree for ArviZ."""

import warnings
from collections import Counter
from xml.etree import ElementTree

import numpy as np
import pytest

from ppl import diagnostics
from ppl._arviz import import_arviz
from ppl._errors import ArgumentError, UnknownNameError
from ppl.posterior import Posterior
from tests.results import SCHOOLS, categories, schools, with_stats

COLUMNS = ["mean", "sd", "5%", "95%", "mcse_mean", "ess_bulk", "ess_tail", "r_hat"]


@pytest.fixture(scope="module")
def arviz():
    return import_arviz()


# --- the mapping ----------------------------------------------------------------------


def test_it_maps_sites_to_draws():
    posterior = schools()
    assert list(posterior) == ["mu", "tau", "theta", "corr", "hits"]
    assert len(posterior) == 5
    assert "tau" in posterior
    assert "sigma" not in posterior
    assert posterior["theta"].shape == (4, 1000, 5)
    assert (posterior.num_chains, posterior.num_draws) == (4, 1000)
    np.testing.assert_array_equal(
        posterior.stack("theta")[1000:2000], posterior["theta"][1]
    )
    assert repr(posterior) == (
        "<Posterior: 4 chains × 1000 draws; mu, tau, theta, corr, hits>"
    )


def test_unknown_names_are_refused_with_the_nearest():
    posterior = schools()
    for attempt in (
        lambda: posterior["teta"],
        lambda: posterior.summary("teta"),
        lambda: posterior.stack("teta"),
        lambda: posterior.plot_trace(["mu", "teta"]),
    ):
        with pytest.raises(UnknownNameError, match="Did you mean 'theta'"):
            attempt()
    with pytest.raises(UnknownNameError, match=r"Did you mean 'theta\[Choate\]'"):
        posterior.summary()["theta[Choat]"]
    with pytest.raises(UnknownNameError, match="unknown statistic 'energy'"):
        schools(sample_stats={}).plot_energy()
    assert posterior.get("nothing") is None


def test_results_are_compared_by_identity():
    posterior = schools()
    assert posterior == posterior
    assert posterior != schools()
    assert len({posterior, posterior.summary("mu")}) == 2


def test_labels_go_along_one_dimension():
    with pytest.raises(ArgumentError, match="labels of dimension 'school'"):
        schools(coords={"school": np.zeros((2, 2))})


def test_samples_may_be_worked_out_when_asked_for():
    asked = Counter()

    class Lazy(dict):
        def __getitem__(self, name):
            asked[name] += 1
            return super().__getitem__(name)

    posterior = Posterior(Lazy(schools().samples))
    posterior.summary("tau")
    assert set(asked) == {"tau"}


# --- the table ------------------------------------------------------------------------


def test_summary_reads_by_row_and_by_site():
    posterior = schools()
    table = posterior.summary()
    assert list(table.columns) == COLUMNS
    assert table["tau"]["mean"] == pytest.approx(posterior["tau"].mean())
    assert table["theta"]["sd"].shape == (5,)
    assert table["corr"]["mean"].shape == (2, 2)
    assert table["theta[Choate]"]["mean"] == table["theta"]["mean"][0]
    assert table["corr[0, 1]"]["5%"] == table["corr"]["5%"][0, 1]
    labels = list(table)
    assert labels[:3] == ["mu", "tau", "theta[Choate]"]
    assert labels[-1] == "hits[2]"
    assert len(table) == len(labels) == 14
    np.testing.assert_allclose(
        table["theta"]["r_hat"], diagnostics.rhat(posterior["theta"])
    )


def test_summary_shows_what_is_asked_for():
    posterior = schools()
    assert list(posterior.summary("tau")) == ["tau"]
    assert list(posterior.summary(["tau", "mu"])) == ["tau", "mu"]
    assert "corr[0, 0]" not in posterior.summary(exclude_deterministic=True)
    table = posterior.summary(["mu"], prob=0.5)
    assert table.columns[2:4] == ("25%", "75%")
    assert table["mu"]["75%"] == pytest.approx(np.quantile(posterior["mu"], 0.75))
    assert posterior.summary("mu", prob=0.95).columns[2:4] == ("2.5%", "97.5%")


def test_summary_is_text_in_aligned_columns():
    text = str(schools().summary())
    lines = text.splitlines()
    assert lines[0].split() == COLUMNS
    assert len(lines) == 15
    assert len({len(line) for line in lines}) == 1
    ends = {line.rstrip()[-6:].find(".") for line in lines[1:3]}
    assert len(ends) == 1
    row = next(line for line in lines if line.startswith("corr[0, 0]"))
    assert row.split()[2:4] == ["1.000", "0.000"]
    assert row.split()[-1] == "nan"
    assert repr(schools().summary()) == text


def test_long_tables_are_cut_where_nobody_asked_for_all():
    table = Posterior({"x": np.zeros((1, 5, 100))}).summary()
    assert "... and 40 more rows" in repr(table)
    assert len(str(table).splitlines()) == 101
    assert "and 40 more rows" in table._repr_html_()


def test_numbers_have_as_many_digits_as_their_sd_deserves():
    rng = np.random.default_rng(0)
    draws = rng.normal(size=(4, 100, 3)) * [1e-12, 1.0, 1e12]
    lines = str(Posterior({"x": draws}).summary()).splitlines()
    assert "e-13" in lines[1]
    assert "e" not in lines[2].split(maxsplit=1)[1]
    assert "e+1" in lines[3]


def test_summary_goes_to_pandas():
    pandas = pytest.importorskip("pandas")
    table = schools().summary()
    frame = table.to_pandas()
    assert isinstance(frame, pandas.DataFrame)
    assert list(frame.columns) == COLUMNS
    assert frame.loc["theta[Choate]", "sd"] == table["theta[Choate]"]["sd"]


def test_no_draws_and_no_sites_give_a_table_all_the_same():
    nothing = Posterior({})
    assert str(nothing.summary()).split() == COLUMNS
    assert categories(nothing) == set()
    assert "1 more" not in nothing._repr_html_()
    none = Posterior({"x": np.zeros((4, 0, 2))})
    assert np.isnan(none.summary()["x"]["mean"]).all()
    assert categories(none) == set()


@pytest.mark.parametrize(
    ("dims", "labels"),
    [
        ((), ["x[0, 0]", "x[0, 1]", "x[1, 0]", "x[1, 1]"]),
        (("g",), ["x[a, 0]", "x[a, 1]", "x[b, 0]", "x[b, 1]"]),
        ((None, "g"), ["x[0, a]", "x[0, b]", "x[1, a]", "x[1, b]"]),
        (("g", "g"), ["x[a, 0]", "x[a, 1]", "x[b, 0]", "x[b, 1]"]),
        (("h", "g"), ["x[0, a]", "x[0, b]", "x[1, a]", "x[1, b]"]),
    ],
)
def test_labels_come_from_dims_and_coords(dims, labels):
    coords = {"g": np.array(["a", "b"]), "h": np.arange(7)}  # h does not fit
    posterior = Posterior(
        {"x": np.zeros((1, 5, 2, 2))}, dims={"x": dims}, coords=coords
    )
    assert list(posterior.summary()) == labels
    dataset = posterior.to_datatree()["posterior"].dataset
    assert all(dim in dataset.coords for dim in dataset.dims)


def test_html_is_well_formed_and_says_what_matters():
    diverging = np.zeros((4, 1000), bool)
    diverging[1, :20] = True
    html = with_stats(diverging=diverging)._repr_html_()
    root = ElementTree.fromstring(html)
    text = " ".join(root.itertext())
    assert "4 chains × 1000 draws · seed 7 · 1.2 s" in text
    assert "20 of 4000 draws (0.5%) diverged" in text
    assert "theta[<Hotchkiss> & Co]" in text
    assert len(root.findall(".//tbody/tr")) == 14
    assert "script" not in html
    assert "color:black" not in html
    ElementTree.fromstring(schools().summary()._repr_html_())


# --- ArviZ ----------------------------------------------------------------------------


def test_tree_follows_the_schema():
    warm = {"mu": np.zeros((4, 50))}
    tree = schools(warmup_samples=warm, warmup_sample_stats={"lp": warm["mu"]})
    tree = tree.to_datatree()
    assert list(tree.children) == [
        "posterior",
        "sample_stats",
        "warmup_posterior",
        "warmup_sample_stats",
        "observed_data",
        "constant_data",
    ]
    posterior = tree["posterior"]
    assert posterior["theta"].dims == ("chain", "draw", "school")
    assert posterior["corr"].dims == ("chain", "draw", "corr_dim_0", "corr_dim_1")
    assert posterior["school"].values.tolist() == SCHOOLS
    assert tree["observed_data"]["y"].dims == ("school",)
    assert tree["constant_data"]["sigma"].dims == ("sigma_dim_0",)
    assert tree["constant_data"]["year"].dims == ()
    assert tree["warmup_posterior"].sizes["draw"] == 50
    for group in tree.children.values():
        assert set(group.dataset.dims) == set(group.dataset.coords)
        assert not set(group.dataset.data_vars) & set(group.dataset.dims)
    for name in ("posterior", "sample_stats"):
        assert tree[name].attrs["sample_dims"] == ["chain", "draw"]
    attrs = posterior.attrs
    assert attrs["sampled_variables"] == ["mu", "tau", "theta", "hits"]
    assert attrs["inference_library"] == attrs["creation_library"] == "ppl"
    assert attrs["created_at"].startswith("20")
    assert (attrs["seed"], attrs["interrupted"]) == (7, 0)
    assert tree.attrs["seed"] == 7


def test_tree_has_only_groups_with_something_in_them():
    tree = Posterior({"x": np.zeros((1, 5))}, attrs={"inference_library": "a"})
    tree = tree.to_datatree()
    assert list(tree.children) == ["posterior"]
    assert tree["posterior"].attrs["inference_library"] == "a"
    assert "inference_library_version" not in tree["posterior"].attrs


def test_tree_shares_memory_and_keeps_types():
    posterior = schools()
    tree = posterior.to_datatree()
    for name, draws in posterior.items():
        values = tree["posterior"][name].values
        assert np.shares_memory(values, draws)
        assert values.dtype == draws.dtype
    converted = posterior.to_arviz()
    assert converted.posterior["mu"].dtype == np.float32
    assert np.shares_memory(converted.posterior["theta"].values, posterior["theta"])


def test_names_that_files_cannot_hold_are_changed():
    posterior = Posterior(
        {"a/x": np.zeros((1, 5, 2)), "a.x": np.zeros((1, 5)), "g": np.zeros((1, 5, 3))},
        dims={"a/x": ("chain",), "g": ("g",)},
        coords={"g": np.array(["u", 1, 2.5], dtype=object)},
    )
    group = posterior.to_datatree()["posterior"]
    assert set(group.data_vars) == {"a.x", "a.x_", "g"}
    assert group["a.x"].attrs == {"site": "a/x"}
    assert group["a.x"].dims == ("chain", "draw", "chain_dim")
    assert group["g_dim"].values.tolist() == ["u", "1", "2.5"]
    with pytest.raises(ArgumentError, match="'draw': ArviZ keeps this name"):
        Posterior({"draw": np.zeros((1, 5))}).to_datatree()


def test_arviz_summary_agrees(arviz):
    posterior = schools()
    names = ["mu", "tau", "theta", "hits"]
    table = posterior.summary(names)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = arviz.summary(
            posterior.to_arviz(), var_names=names, kind="all", round_to="none"
        )
    assert list(theirs.index) == list(table)
    for column in ("sd", "mcse_mean", "ess_bulk", "r_hat"):
        expected = [float(value) for value in theirs[column]]
        ours = [table[label][column] for label in table]
        np.testing.assert_allclose(ours, expected, 1e-5, err_msg=column)  # mu: float32


def test_tree_survives_a_file(arviz, tmp_path):
    pytest.importorskip("h5netcdf")
    posterior = schools(attrs={"seed": 2**64 - 1, "interrupted": True, "note": "é"})
    path = tmp_path / "posterior.nc"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        posterior.to_arviz().to_netcdf(path)
        back = arviz.from_netcdf(path)
    for name, draws in posterior.items():
        np.testing.assert_array_equal(back.posterior[name].values, draws)
    assert back.sample_stats["diverging"].dtype == bool
    assert back.posterior["school"].values.tolist() == SCHOOLS
    assert back.posterior.attrs["interrupted"] == 1
    assert back.posterior.attrs["note"] == "é"


@pytest.mark.parametrize("kind", ["trace", "rank", "forest", "energy"])
def test_plots_are_arvizs(kind):
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    from matplotlib import pyplot

    names = () if kind == "energy" else ("tau",)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # ArviZ runs behind Matplotlib
        assert getattr(schools(draws=100), f"plot_{kind}")(*names) is not None
    pyplot.close("all")
