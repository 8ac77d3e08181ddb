"""The palette of all figures, by Okabe and Ito. Color-blind people can read it."""

BLACK = "#000000"
BLUE = "#0072B2"
GREEN = "#009E73"
ORANGE = "#E69F00"
PURPLE = "#CC79A7"
RED = "#D55E00"
SKY = "#56B4E9"
YELLOW = "#F0E442"

# The colors of a plot's lines, in this order. Yellow is too pale on white.
LINES = (BLUE, RED, GREEN, PURPLE, ORANGE, SKY, BLACK)
