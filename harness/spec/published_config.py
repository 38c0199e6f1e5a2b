"""A published config.json: kept under its own key names, with the shape that every architecture has in some key."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field, NonNegativeInt, PositiveInt, model_validator


class PublishedConfig(BaseModel):
    """The keys that say a shape are checked, all others are kept as they are.

    Architectures name the same thing differently; the properties give it one name.
    """

    model_config = ConfigDict(extra="allow", frozen=True)
    model_type: str
    architectures: tuple[str, ...] = Field(min_length=1)
    vocab_size: PositiveInt
    num_hidden_layers: PositiveInt | None = None
    n_layers: PositiveInt | None = None  # MPT
    hidden_size: PositiveInt | None = None
    d_model: PositiveInt | None = None  # MPT
    num_attention_heads: PositiveInt | None = None
    n_heads: PositiveInt | None = None  # MPT
    num_key_value_heads: PositiveInt | None = None
    num_kv_heads: PositiveInt | None = None  # Falcon
    intermediate_size: PositiveInt | None = None
    ffn_dim: PositiveInt | None = None  # OPT
    ffn_hidden_size: PositiveInt | None = None  # Falcon
    expansion_ratio: PositiveInt | None = None  # MPT
    moe_intermediate_size: PositiveInt | None = None  # of one expert, where the dense layers have another width
    num_experts: NonNegativeInt | None = None
    num_local_experts: NonNegativeInt | None = None  # gpt-oss, Granite
    n_routed_experts: NonNegativeInt | None = None  # DeepSeek
    num_experts_per_tok: NonNegativeInt | None = None
    max_position_embeddings: PositiveInt | None = None
    max_seq_len: PositiveInt | None = None  # MPT

    @model_validator(mode="after")
    def _has_a_shape(self) -> "PublishedConfig":
        for one, other in (
            ("num_hidden_layers", "n_layers"),
            ("hidden_size", "d_model"),
            ("num_attention_heads", "n_heads"),
        ):
            if getattr(self, one) is None and getattr(self, other) is None:
                raise ValueError(f"neither '{one}' nor '{other}' is given")
        return self

    def as_dict(self) -> dict[str, Any]:
        """The config under its published key names, as JSON values."""
        return self.model_dump(mode="json", exclude_unset=True)

    @property
    def layers(self) -> int:
        """Decoder layers."""
        return self.num_hidden_layers or self.n_layers or 0

    @property
    def width(self) -> int:
        """Hidden size."""
        return self.hidden_size or self.d_model or 0

    @property
    def heads(self) -> int:
        """Query heads."""
        return self.num_attention_heads or self.n_heads or 0

    @property
    def key_value_heads(self) -> int:
        """Key-value heads; an old Falcon with multi-query attention has one and no key that says so."""
        extra = self.model_extra or {}
        if extra.get("multi_query") and not extra.get("new_decoder_architecture"):
            return 1
        return self.num_key_value_heads or self.num_kv_heads or self.heads

    @property
    def ffn_width(self) -> int:
        """Width of the feed-forward layer, of one routed expert where there are any."""
        said = self.moe_intermediate_size or self.intermediate_size or self.ffn_dim or self.ffn_hidden_size
        return said or self.width * (self.expansion_ratio or 4)  # Falcon-7B has no key: four times, as in its class

    @property
    def vocabulary(self) -> int:
        """Entries of the embedding: those of the tokenizer and, in some models, unused ones up to a round number."""
        return self.vocab_size

    @property
    def experts(self) -> int:
        """Routed experts per layer; 0 for a dense model."""
        return self.num_experts or self.num_local_experts or self.n_routed_experts or 0

    @property
    def context_length(self) -> int | None:
        """Positions the model was published for; None where the config leaves it to the model's class."""
        return self.max_position_embeddings or self.max_seq_len
