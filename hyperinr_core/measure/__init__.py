"""How good a model is, and what it must beat.

`metrics` and `baselines` are the yardsticks. `series`, `shadows` and `views` measure a model of each kind beside interpolation of
what it was trained on, and give a `report`; `sizes` measures bytes and PSNR beside `codecs`, on every step and on `key_frames`;
`methods` trains every way to fill the gaps between steps and measures them alike.
"""
