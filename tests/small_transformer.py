"""A CLIP of two layers with random weights, saved as a downloaded one is: quick, and made of matrix products alone."""

from __future__ import annotations

import json
from pathlib import Path

SIZE = 64
CONFIG = {
    "embed_dim": 32,
    "vision_cfg": {"image_size": SIZE, "layers": 2, "width": 128, "head_width": 32, "patch_size": 16},
    "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 1},
}


def small_transformer(folder: Path) -> str:
    """`--model` for it; its weights lie in `folder`."""
    import open_clip
    import torch
    from safetensors.torch import save_file

    (folder / "small-transformer.json").write_text(json.dumps(CONFIG))
    open_clip.add_model_config(folder / "small-transformer.json")
    torch.manual_seed(0)
    made = open_clip.create_model("small-transformer")
    with torch.no_grad():
        for name, tensor in made.named_parameters():
            if tensor.ndim >= 2 and "token_embedding" not in name:
                tensor.normal_(std=2 / tensor[0].numel() ** 0.5)
    save_file({k: v.contiguous() for k, v in made.state_dict().items()}, folder / "w.safetensors")
    return f"small-transformer:{folder / 'w.safetensors'}"
