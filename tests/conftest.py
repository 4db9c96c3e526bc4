"""Fixtures that every tier of the suite shares."""
