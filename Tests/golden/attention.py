"""Scaled dot-product attention and rotary positions. Heads are [B, heads, N, D]."""

import torch
import torch.nn.functional as F

from .cases import Cases, write_cases


def write():
    cases = Cases(seed=41)
    products(cases)
    rotations(cases)
    return write_cases("attention", cases)


def products(cases: Cases) -> None:
    # name, samples, query heads, key heads, queries, keys, features, value features, causal, mask, scale
    table = [
        ("plain", 2, 3, 3, 5, 7, 4, 4, False, None, None),
        ("several_tiles", 1, 1, 1, 61, 53, 16, 16, False, None, None),
        ("odd_features", 2, 2, 2, 9, 5, 7, 3, False, None, None),
        ("one_token", 2, 2, 2, 1, 1, 8, 8, False, None, None),
        ("one_query", 1, 2, 2, 1, 37, 16, 16, False, None, None),
        ("one_key", 1, 2, 2, 6, 1, 4, 5, False, None, None),
        ("one_feature", 1, 1, 1, 4, 6, 1, 1, False, None, None),
        ("many_heads", 1, 16, 16, 6, 6, 2, 2, False, None, None),
        ("own_scale", 1, 2, 2, 5, 6, 8, 8, False, None, 0.7),
        ("causal", 2, 2, 2, 19, 19, 8, 8, True, None, None),
        ("causal_several_tiles", 1, 1, 1, 67, 67, 8, 8, True, None, None),
        ("causal_more_keys", 1, 2, 2, 5, 9, 4, 4, True, None, None),
        ("causal_more_queries", 1, 2, 2, 9, 5, 4, 4, True, None, None),
        ("grouped", 2, 6, 2, 7, 9, 8, 8, False, None, None),
        ("one_key_head", 1, 4, 1, 7, 9, 8, 8, False, (1, 4, 7, 9), None),
        ("grouped_causal", 1, 4, 2, 21, 21, 8, 8, True, None, None),
        ("mask", 2, 2, 2, 5, 7, 4, 4, False, (2, 2, 5, 7), None),
        ("mask_of_keys", 2, 2, 2, 5, 7, 4, 4, False, (2, 1, 1, 7), None),
        ("mask_of_all_heads", 2, 2, 2, 5, 7, 4, 4, False, (5, 7), None),
        ("mask_of_pairs", 2, 3, 3, 5, 7, 4, 4, False, (3, 5, 7), None),
        ("visible", 2, 2, 2, 5, 7, 4, 4, False, "bool", None),
    ]
    for name, samples, heads, key_heads, queries, keys, features, value_features, causal, mask, scale in table:
        inputs = [
            cases.normal(samples, heads, queries, features),
            cases.normal(samples, key_heads, keys, features),
            cases.normal(samples, key_heads, keys, value_features),
        ]
        if mask == "bool":
            visible = cases.integers(2, samples, 1, queries, keys).bool()
            visible[..., 0] = True
            inputs.append(visible)
        elif mask:
            inputs.append(cases.normal(*mask))
        group = heads // key_heads

        def attend(q, k, v, m=None):
            k, v = k.repeat_interleave(group, dim=1), v.repeat_interleave(group, dim=1)
            return F.scaled_dot_product_attention(q, k, v, attn_mask=m, is_causal=causal, scale=scale)

        cases.add(name, "attention", attend, inputs, {"causal": causal, "scale": scale})


def rotations(cases: Cases) -> None:
    # name, shape, rotating features, first position, base, pairing
    table = [
        ("halves", (2, 3, 5, 8), 8, 0, 10000.0, "halves"),
        ("halves_partial", (1, 2, 7, 10), 6, 3, 10000.0, "halves"),
        ("interleaved", (2, 3, 5, 8), 8, 0, 10000.0, "interleaved"),
        ("interleaved_partial", (7, 9), 4, 100, 500000.0, "interleaved"),
        ("one_token", (1, 2, 1, 2), 2, 11, 10000.0, "halves"),
    ]
    for name, shape, features, start, base, pairing in table:
        frequencies = base ** (-torch.arange(0, features, 2, dtype=torch.float64) / features)
        angles = torch.arange(start, start + shape[-2], dtype=torch.float64)[:, None] * frequencies

        def turn(x):
            moving, rest = x[..., :features], x[..., features:]
            if pairing == "halves":
                first, second = moving[..., : features // 2], moving[..., features // 2 :]
            else:
                first, second = moving[..., 0::2], moving[..., 1::2]
            a = first * angles.cos() - second * angles.sin()
            b = second * angles.cos() + first * angles.sin()
            turned = torch.cat([a, b], -1) if pairing == "halves" else torch.stack([a, b], -1).flatten(-2)
            return torch.cat([turned, rest], -1)

        attributes = {"features": features, "start": start, "base": base, "pairing": pairing}
        cases.add(f"rotary_{name}", "rotary", turn, [cases.normal(*shape)], attributes)
