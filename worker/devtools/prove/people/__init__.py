"""`prove --people`: what people do to an installation, at random, under the same oracle as the kills."""
