"""The palette of all figures: Okabe and Ito's, which colour-blind people can read."""

BLACK = "#000000"
BLUE = "#0072B2"
GREEN = "#009E73"
ORANGE = "#E69F00"
PURPLE = "#CC79A7"
RED = "#D55E00"
SKY = "#56B4E9"
YELLOW = "#F0E442"

# One after another, for the lines of a plot; yellow is too pale on white.
LINES = (BLUE, RED, GREEN, PURPLE, ORANGE, SKY, BLACK)
