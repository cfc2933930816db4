"""Models as nilearn and scikit-learn have them: images and tables in memory in, images out.

They go through the same analysis as the commands: the same bytes from the same data.
"""
