"""Smooth fills, and the correction that lets a fill meet its rim."""
