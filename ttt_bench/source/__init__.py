"""Source time: training the shared network and the methods' auxiliary parts, and finding both again."""
