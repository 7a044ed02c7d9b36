"""``attach`` at the places where training frameworks expect it; each framework is imported only by its own file."""
