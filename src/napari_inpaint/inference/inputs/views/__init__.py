"""Views: what is filled in an image's place, where its numbers are no intensities, or its edges meet."""
