"""A variational autoencoder of handwritten digits.

The model decodes eight latent numbers into an image, the guide encodes an image into a
normal distribution of these (Kingma & Welling, "Auto-encoding variational Bayes", ICLR
2014); both are networks of Equinox, which learn together. The data are scikit-learn's
1,797 digits of 8 × 8 pixels, made black and white. A fifth of them is held back, and
judges what has been learnt: by the evidence, and by whether a digit can still be read
from what eight numbers have kept of it.

    python examples/digits_vae.py --out build/examples
"""

import argparse
from functools import partial
from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import matplotlib
import numpy as np
from sklearn.datasets import load_digits
from sklearn.neighbors import KNeighborsClassifier

import ppl
import ppl.distributions as dist
from ppl.contrib.module import eqx_module
from ppl.infer import SVI, Predictive, RenyiELBO, Trace_ELBO

HIDDEN, LATENT, PIXELS, BATCH = 64, 8, 64, 128


def digits():
    """The images, black and white, (1797, 64) of float32, and what they show."""
    data = load_digits()
    return (data.data > 7.5).astype("float32"), data.target


class Encoder(eqx.Module):
    """From an image (64,) to location and scale of its latent numbers, (8,) each."""

    hidden: eqx.nn.Linear
    loc: eqx.nn.Linear
    log_scale: eqx.nn.Linear

    def __init__(self, key):
        first, second, third = jax.random.split(key, 3)
        self.hidden = eqx.nn.Linear(PIXELS, HIDDEN, key=first)
        self.loc = eqx.nn.Linear(HIDDEN, LATENT, key=second)
        self.log_scale = eqx.nn.Linear(HIDDEN, LATENT, key=third)

    def __call__(self, image):
        hidden = jax.nn.softplus(self.hidden(image))
        return self.loc(hidden), jnp.exp(self.log_scale(hidden))


class Decoder(eqx.Module):
    """From latent numbers (8,) to the logits of the pixels, (64,)."""

    hidden: eqx.nn.Linear
    logits: eqx.nn.Linear

    def __init__(self, key):
        first, second = jax.random.split(key)
        self.hidden = eqx.nn.Linear(LATENT, HIDDEN, key=first)
        self.logits = eqx.nn.Linear(HIDDEN, PIXELS, key=second)

    def __call__(self, z):
        return self.logits(jax.nn.softplus(self.hidden(z)))


def networks(seed):
    """Encoder and decoder, with random weights to begin at."""
    first, second = jax.random.split(jax.random.key(seed))
    return Encoder(first), Decoder(second)


def make_pair(seed):
    """Model and guide."""
    encoder, decoder = networks(seed)

    def model(images=None):
        decode = eqx_module("decoder", decoder)
        with ppl.plate("image", 1 if images is None else len(images)):
            z = ppl.sample("z", dist.Normal(0, 1).expand([LATENT]).to_event(1))
            logits = jax.vmap(decode)(z)
            ppl.deterministic("grey", jax.nn.sigmoid(logits))
            pixels = dist.Bernoulli(logits=logits).to_event(1)
            ppl.sample("pixels", pixels, obs=images)

    def guide(images):
        encode = eqx_module("encoder", encoder)
        with ppl.plate("image", len(images)):
            ppl.sample("z", dist.Normal(*jax.vmap(encode)(images)).to_event(1))

    return model, guide


def fit(pair, images, options):
    """Learn both networks; each epoch shows every image once."""
    svi = SVI(*pair, ppl.optim.Adam(3e-3), Trace_ELBO())
    steps = options.epochs * (len(images) // BATCH)
    given = {"batch_size": BATCH, "average": 0.2, "progress_bar": False}
    return svi.run(options.seed, steps, images, **given)


def bounds(pair, params, images, key):
    """Mean log evidence of an image in nats: its lower bound, and a tighter one."""

    found = []
    for loss in (Trace_ELBO(20), RenyiELBO(alpha=0.0, num_particles=200)):
        of_one = partial(loss.loss, key, params, *pair)
        found.append(-float(jax.vmap(of_one)(images[:, None]).mean()))
    return found


def by_pixel(train, test):
    """Mean log evidence of an image if pixels were independent, in nats."""
    share = (train.sum(0) + 1) / (len(train) + 2)
    return np.log(np.where(test > 0, share, 1 - share)).sum(1).mean()


def decoded(pair, params, options, images):
    """Pixels after a way through the latent numbers, and those of new images."""
    model, guide = pair
    key = jax.random.key(options.seed)
    there = Predictive(model, guide=guide, params=params, num_samples=1)
    again = there(key, images)["grey"][0]
    new = Predictive(model, params=params, num_samples=60)(key)["grey"][:, 0]
    return np.asarray(again), np.asarray(new)


def share_read(train, labels, images, truth):
    """The share of images in which their nearest neighbours see the right digit."""
    return KNeighborsClassifier(3).fit(train, labels).score(images, truth)


def sheet(images, columns):
    """Images (n, 64) in rows of so many columns, with gaps between them."""
    rows = len(images) // columns
    framed = np.pad(images.reshape(-1, 8, 8), ((0, 0), (1, 1), (1, 1)))
    tiles = framed.reshape(rows, columns, 10, 10).swapaxes(1, 2)
    return tiles.reshape(rows * 10, columns * 10)


def draw(plt, images, again, new):
    """Digits held back, each above what comes out of its latent numbers; new ones."""
    fig, (left, right) = plt.subplots(1, 2, figsize=(10.2, 3.3), width_ratios=[12, 10])
    pairs = np.stack([part[:36].reshape(3, 12, 64) for part in (images, again)], axis=1)
    pixels = sheet(pairs.reshape(-1, 64), 12)
    decoded = np.broadcast_to(np.arange(60)[:, None] % 20 >= 10, pixels.shape)
    for colours, hidden in (("gray_r", decoded), ("Blues", ~decoded)):
        left.imshow(np.ma.masked_array(pixels, hidden), colours, vmin=0, vmax=1)
    right.imshow(sheet(new, 10), "Blues", vmin=0, vmax=1)
    left.set_title("held back, and in blue what 8 numbers keep", fontsize="medium")
    right.set_title("from the prior: digits that nobody wrote", fontsize="medium")
    for ax in (left, right):
        ax.set(xticks=[], yticks=[])
        ax.spines[:].set_visible(False)
    return fig


def draw_loss(plt, losses, images):
    """The loss of an image, step by step and smoothed."""
    fig, ax = plt.subplots(figsize=(6.4, 3.6))
    width = len(images) // BATCH
    smooth = losses[: len(losses) // width * width].reshape(-1, width).mean(1) / BATCH
    ax.plot(losses / BATCH, color="#3b6ea5", lw=0.3, alpha=0.4, label="of a step")
    places = width * (np.arange(len(smooth)) + 0.5)
    ax.plot(places, smooth, color="#3b6ea5", label="mean of an epoch")
    ax.set(xlabel="step", ylabel="negative bound of an image, nats", ylim=(12, 40))
    ax.legend()
    return fig


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--out", type=Path, default=Path("build/examples"))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--epochs", type=int, default=300)
    options = parser.parse_args(arguments)

    images, labels = digits()
    order = np.random.default_rng(options.seed).permutation(len(images))
    held = order < len(images) // 5
    train, test = images[~held], images[held]
    pair = make_pair(options.seed)
    result = fit(pair, train, options)
    again, new = decoded(pair, result.params, options, test)

    bound, tight = bounds(pair, result.params, test, jax.random.key(options.seed))
    print(f"log evidence of an image held back, one of {len(test)}, in nats")
    print(f"  independent pixels     {by_pixel(train, test):8.2f}")
    print(f"  lower bound            {bound:8.2f}")
    print(f"  with 200 weighted draws{tight:8.2f}")
    print("share of digits that their nearest neighbours read rightly")
    for name, seen in (("as written", test), ("after 8 numbers", again)):
        right = share_read(train, labels[~held], seen, labels[held])
        print(f"  {name:<23}{right:8.3f}")

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    options.out.mkdir(parents=True, exist_ok=True)
    plt.rcParams.update({"figure.constrained_layout.use": True, "savefig.dpi": 100})
    plt.rcParams.update({"axes.spines.top": False, "axes.spines.right": False})
    draw(plt, test, again, new).savefig(options.out / "digits_vae_images.png")
    draw_loss(plt, result.losses, train).savefig(options.out / "digits_vae_loss.png")
    return result


if __name__ == "__main__":
    main()
