"""The reference host: a multimodal ALIGNN of our own, its crystals, and how it is trained and tested.

Nothing here knows the attention store or the reports; ``train`` uses ``attach`` the way any host would.
"""
