"""ParaView's extracts by phi and theta, of which half are seen upside down."""

from __future__ import annotations

import numpy as np

from hyperinr.filters.readers.listing import Listing
from hyperinr_core.pictures.picture_set import Optics
from hyperinr_core.spaces.views import AZIMUTH


def upright(listing: Listing, by_extractor: bool, roles: dict[str, str]) -> None:
    """Turn what a camera saw that went over a pole, where a table's theta goes all the way round, as ParaView's extractors do.

    Their camera starts at +z with y up, goes round y by phi and then over the pole by theta, from 0 to less than 360 degrees;
    beyond the pole it stands on its head. Such a picture, turned by half a turn, is that of a camera which stands on its feet
    at phi + 180 and 180 - theta. Where there is one of that view already, it is left out.

    Parameters
    ----------
    by_extractor : whether the table has a column of what made the pictures.
    roles : that the user gave.
    """
    places = {name.lower(): place for place, name in enumerate(listing.parameters)}
    if not {"phi", "theta"} <= set(places):
        return
    columns = [places["phi"], places["theta"]]
    names = [listing.parameters[column] for column in columns]
    phi, theta = listing.thetas[:, columns].T
    if any(roles.get(name, role) != role for name, role in zip(names, (AZIMUTH, "view_elevation"))):
        return
    if theta.min() < 0 or theta.max() >= 360 or not (by_extractor or (theta.max() > 180 and _goes_round(theta))):
        return
    turned = (theta > 90) & (theta < 270)
    thetas = listing.thetas.copy()
    thetas[:, columns[0]] = np.round((phi + 180 * turned) % 360, 6)
    thetas[:, columns[1]] = np.round(np.where(turned, 180 - theta, np.where(theta < 270, theta, theta - 360)), 6)
    order = np.argsort(turned, kind="stable")
    kept = np.sort(order[np.unique(thetas[order], axis=0, return_index=True)[1]])
    listing.thetas, listing.turned = thetas[kept], turned[kept]
    listing.files = [listing.files[row] for row in kept]
    listing.optics = listing.optics or Optics()
    listing.roles = dict(zip(names, (AZIMUTH, "view_elevation")))


def _goes_round(theta: np.ndarray) -> bool:
    """Whether angles are a full turn, divided evenly from 0."""
    distinct = np.unique(theta)
    return bool(np.allclose(distinct, np.arange(len(distinct)) * 360 / len(distinct), atol=0.02))
