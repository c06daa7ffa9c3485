"""The `config.json` of a question-answering model."""

from transformers import PreTrainedConfig

from deepseek_lab.config import DeepSeekConfig, is_number, require

MODEL_TYPE = "deepseek_lab_qa"


class QuestionAnsweringConfig(PreTrainedConfig):
    """`trunk` is the official `config.json` of the model that reads; the rest is about answering.

    An answer counts as given in the context if its score is above that of "not in the context" by more than
    `null_threshold` (in logits).
    """

    model_type = MODEL_TYPE

    def __init__(self, trunk: dict | None = None, null_threshold: float = 0.0, **others):
        self.trunk = trunk if trunk is not None else DeepSeekConfig.preset("lab").to_hf()
        fits = is_number(null_threshold)
        require(fits, "null_threshold", null_threshold, "a number")
        self.null_threshold = float(null_threshold)
        super().__init__(**others)

    def shape(self) -> DeepSeekConfig:
        """The trunk's shape. Raises `ValueError` naming the field that can't be."""
        config = DeepSeekConfig.from_hf(self.trunk)
        kinds = ("deepseek_v2", "deepseek_v3")
        require(config.model_type in kinds, "trunk's model_type", config.model_type, " or ".join(kinds))
        return config

    @property
    def hidden_size(self) -> int:
        """Width of the model."""
        return self.trunk["hidden_size"]

    @property
    def vocab_size(self) -> int:
        """Tokens that the model knows."""
        return self.trunk["vocab_size"]

    @property
    def max_position_embeddings(self) -> int:
        """Tokens that the model was made for."""
        return self.trunk["max_position_embeddings"]
