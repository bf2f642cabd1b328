"""Trains a small CLIP that means something, in minutes on a CPU and without a download.

A CLIP that knows grass from snow cannot be made from random weights, and a real one cannot be committed. So: open_clip's
own classes, with timm's `tf_efficientnet_lite0` as image tower (weights by pip, frozen) and a small text transformer,
trained on photographs whose content is known. What comes out is an ordinary open_clip checkpoint, read by the same code
as a downloaded one. Used by small_clip.py beside this file and, at a tenth of the size, by the test suite.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file
from torch.nn import functional

from curator.encoders.embedded import PREPROCESSING, Embedded, imagenet_names, load_network

ARCH = "curator-small-clip"
SCENES = {
    "grass": ("green grass", "grass", "a lawn", "a meadow", "a grassy field"),
    "snow": ("snow", "the snow", "snowy ground", "a snow field"),
    "sand": ("sand", "sandy ground", "a desert", "dry sand"),
    "dirt": ("bare soil", "dirt", "earth", "bare ground"),
    "wood_floor": ("a wooden floor", "a wood floor", "floorboards", "parquet"),
    "carpet": ("a carpet", "carpet", "a rug", "a carpeted floor"),
}
ANIMALS = {
    "ape": ("an ape", "a monkey"),
    "bunny": ("a bunny", "a rabbit"),
    "cow": ("a cow", "cattle"),
    "dog": ("a dog", "a wild dog"),
    "fowl": ("a large bird", "a fowl"),
    "frog": ("a frog", "an amphibian"),
    "goat": ("a goat", "a horned goat"),
    "hen": ("a hen", "a chicken"),
    "insect": ("an insect", "a bug"),
    "owl_or_raptor": ("a bird of prey", "a dark bird"),
    "pachyderm": ("a pachyderm", "a huge animal"),
    "parrot": ("a parrot", "a colourful bird"),
    "rodent": ("a rodent", "a rat"),
    "sheep": ("a sheep", "a ram"),
    "songbird": ("a songbird", "a small bird"),
    "squirrel": ("a squirrel", "a marmot"),
}
ALONE = ("a photo of {}.", "a photo with {} in it.", "{}.", "a picture of {}.", "this is {}.")
TOGETHER = ("a photo of {} on {}.", "{} on {}.", "a picture of {} standing on {}.", "there is {} on {}.")
_FIRST_THING = (
    397  # ImageNet's names before this one are animals, which may well be in the picture; the later are things
)
_PERHAPS_THERE = {"doormat", "prayer rug", "hay", "rapeseed"}
_PERHAPS_THERE |= {"mountain", "cliff", "lakeshore", "promontory", "sandbar", "beach", "valley"}


@dataclass(frozen=True, slots=True)
class Shown:
    """What a picture shows: a key of SCENES, and a key of ANIMALS or "" for the scene alone."""

    scene: str
    animal: str


@dataclass(frozen=True, slots=True)
class Recipe:
    """How large the text tower is, and how long it is trained.

    A step looks at `pictures` and `captions`, and at `distractors`: captions that are true of no picture.
    """

    dim: int = 64
    width: int = 64
    layers: int = 2
    context: int = 16
    steps: int = 600
    pictures: int = 512
    captions: int = 48
    distractors: int = 16
    rate: float = 2e-3
    seed: int = 0


def configuration(recipe: Recipe) -> dict[str, Any]:
    """What the hub calls open_clip_config.json: `model_cfg` and `preprocess_cfg`."""
    return {
        "model_cfg": {
            "embed_dim": recipe.dim,
            "vision_cfg": {
                "timm_model_name": "tf_efficientnet_lite0",
                "timm_model_pretrained": False,
                "timm_pool": "avg",
                "timm_proj": "linear",
                "timm_proj_bias": True,
                "image_size": PREPROCESSING.size,
            },
            "text_cfg": {
                "context_length": recipe.context,
                "vocab_size": 49408,
                "width": recipe.width,
                "heads": max(1, recipe.width // 32),
                "layers": recipe.layers,
            },
        },
        "preprocess_cfg": {
            "mean": list(PREPROCESSING.mean),
            "std": list(PREPROCESSING.std),
            "interpolation": PREPROCESSING.interpolation,
            "resize_mode": PREPROCESSING.mode,
        },
    }


def features(inputs: NDArray[np.uint8], encoder: Embedded) -> NDArray[np.float32]:
    """What the frozen tower makes of pictures (n, 224, 224, 3): (n, 1280), not normalised."""
    parts = [encoder.patches(inputs[i : i + 32])[0].mean(axis=(1, 2)) for i in range(0, len(inputs), 32)]
    return np.concatenate(parts)


def train(found: NDArray[np.float32], shown: Sequence[Shown], recipe: Recipe) -> dict[str, torch.Tensor]:
    """The state dict of an open_clip CLIP whose head and text tower have learnt which captions are true of which picture.

    `found` (n, 1280) are the pictures' `features`. Of one picture many captions are true ("grass" is, of every lawn), so
    each pair is right or wrong by itself, by the sigmoid loss, and none has to win over its synonyms.
    Source: Radford et al. 2021, arXiv:2103.00020; for the loss Zhai et al. 2023, arXiv:2303.15343, eq. 1.
    """
    torch.manual_seed(recipe.seed)
    rng = np.random.default_rng(recipe.seed)
    model = open_clip.CLIP(**configuration(recipe)["model_cfg"], init_logit_scale=math.log(10))
    frozen = {k: v for k, v in load_network().state_dict().items() if not k.startswith("classifier.")}
    model.visual.trunk.load_state_dict(frozen)
    model.token_embedding.sparse = True  # a step touches a hundred of 49408 words, and should cost no more
    words = list(model.token_embedding.parameters())
    bias = torch.nn.Parameter(torch.tensor(-5.0))  # most pairs are wrong; of use while training only
    others = [p for n, p in model.named_parameters() if not n.startswith(("visual.trunk.", "token_embedding."))]
    optimisers = [torch.optim.SparseAdam(words, recipe.rate), torch.optim.Adam([*others, bias], recipe.rate)]
    schedules = [torch.optim.lr_scheduler.CosineAnnealingLR(o, recipe.steps) for o in optimisers]
    tokens = open_clip.SimpleTokenizer(context_length=recipe.context)
    mean, scale = found.mean(axis=0), found.std(axis=0) + 0.05
    # The head sees standardised features while it learns, which it does much faster; afterwards that is folded into it.
    inputs = torch.from_numpy((found - mean) / scale)
    absent = [name for name in imagenet_names()[_FIRST_THING:] if name not in _PERHAPS_THERE]
    for _ in range(recipe.steps):
        rows = rng.choice(len(found), min(recipe.pictures, len(found)), replace=False)
        said = [_caption(shown[i], rng) for i in rng.choice(len(found), recipe.captions)]
        said += [(_false_caption(absent, rng), None) for _ in range(recipe.distractors)]
        image = functional.normalize(model.visual.head(functional.dropout(inputs[rows], 0.3)), dim=-1)
        text = model.encode_text(tokens([text for text, _ in said]), normalize=True)
        logits = model.logit_scale.exp() * image @ text.T + bias
        true = _is_true([shown[i] for i in rows], [claim for _, claim in said])
        loss = functional.binary_cross_entropy_with_logits(logits, true)
        for optimiser in optimisers:
            optimiser.zero_grad()
        loss.backward()
        for optimiser, schedule in zip(optimisers, schedules, strict=True):
            optimiser.step()
            schedule.step()
    with torch.no_grad():
        head = model.visual.head.proj
        head.weight /= torch.from_numpy(scale)
        head.bias -= head.weight @ torch.from_numpy(mean)
    return {name: tensor.detach().contiguous() for name, tensor in model.state_dict().items()}


def save(state: dict[str, torch.Tensor], recipe: Recipe, folder: Path) -> str:
    """Write checkpoint and configuration as the model hub has them; what `--model` calls the result."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "open_clip_model.safetensors"
    save_file(state, path)
    text = json.dumps(configuration(recipe), indent=1) + "\n"
    (folder / "open_clip_config.json").write_text(text, encoding="utf-8")
    return f"{ARCH}:{path}"


def _caption(what: Shown, rng: np.random.Generator) -> tuple[str, Shown]:
    """A caption of a picture and what it claims: the scene, the animal, or both ("" is what it leaves open)."""
    scene = str(rng.choice(SCENES[what.scene]))
    form = rng.choice(3) if what.animal else 0
    if form == 0:
        return str(rng.choice(ALONE)).format(scene), Shown(what.scene, "")
    animal = str(rng.choice(ANIMALS[what.animal]))
    if form == 1:
        return str(rng.choice(ALONE)).format(animal), Shown("", what.animal)
    return str(rng.choice(TOGETHER)).format(animal, scene), what


def _false_caption(absent: Sequence[str], rng: np.random.Generator) -> str:
    name = str(rng.choice(absent))
    article = "an" if name[0] in "aeiou" else "a"
    return str(rng.choice(ALONE)).format(rng.choice([name, f"{article} {name}"]))


def _is_true(pictures: Sequence[Shown], claims: Sequence[Shown | None]) -> torch.Tensor:
    """(pictures, claims) 1.0 where all that is claimed is in the picture; None is in none."""
    scene = np.array([p.scene for p in pictures])[:, None]
    animal = np.array([p.animal for p in pictures])[:, None]
    said_scene = np.array(["-" if c is None else c.scene for c in claims])[None]
    said_animal = np.array(["-" if c is None else c.animal for c in claims])[None]
    true = ((said_scene == "") | (said_scene == scene)) & ((said_animal == "") | (said_animal == animal))
    return torch.from_numpy(true.astype(np.float32))
