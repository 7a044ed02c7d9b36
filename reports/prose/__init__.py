"""What a report says in words: the facts, the sentences, the paragraphs, in every language."""
