"""Canvases are empty, whoever drew on their memory before, and nobody's twice."""

import threading

import torch

from poseplug_virtualpose.agr.canvases import zeros

LIKE = torch.zeros(1)


def test_what_is_left_is_used_again_and_empty():
    first = zeros(64, 48, LIKE)
    first += 1
    memory = first.data_ptr()
    del first
    second = zeros(64, 48, LIKE)
    assert second.data_ptr() == memory
    assert not second.any()


def test_what_somebody_holds_is_not_used_again():
    kept = []
    for part in (
        lambda maps: maps,
        lambda maps: maps[3:5],
        lambda maps: maps.numpy(),
        lambda maps: maps.view(48, 64).T,
    ):
        maps = zeros(64, 48, LIKE)
        maps += 1
        kept.append(part(maps))
        del maps
        for _ in range(3):
            assert not zeros(64, 48, LIKE).any()
        zeros(64, 48, LIKE).fill_(7)
    assert all((part == 1).all() for part in kept)


def test_what_a_gradient_needs_is_not_used_again():
    weight = torch.ones(1, requires_grad=True)
    maps = zeros(64, 48, LIKE)
    maps += 2
    loss = (maps * weight).sum()
    del maps
    zeros(64, 48, LIKE).fill_(7)
    loss.backward()
    assert weight.grad.item() == 2 * 64 * 48


def test_another_size_and_dtype():
    zeros(64, 48, LIKE).fill_(7)
    assert zeros(8, 8, LIKE).shape == (8, 8)
    double = zeros(8, 8, LIKE.double())
    assert double.dtype == torch.float64
    assert not double.any()


def test_threads():
    wrong = []

    def draw(value):
        for _ in range(200):
            maps = zeros(32, 32, LIKE)
            wrong.append(bool(maps.any()))
            maps.fill_(value)
            wrong.append(bool((maps != value).any()))

    drawing = [threading.Thread(target=draw, args=(value,)) for value in (1.0, 2.0, 3.0)]
    for thread in drawing:
        thread.start()
    for thread in drawing:
        thread.join()
    assert len(wrong) == 1200
    assert not any(wrong)
