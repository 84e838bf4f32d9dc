"""What people ask of the store, answered as data: one file a question. The API and the pages of the console show these and add nothing."""
